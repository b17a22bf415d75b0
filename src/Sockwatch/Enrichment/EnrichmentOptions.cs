using System.Diagnostics.CodeAnalysis;

namespace Sockwatch.Enrichment;

/// <summary>What names are known beyond what the kernel tells.</summary>
internal sealed class EnrichmentOptions
{
    /// <summary>Name to networks (CIDR). A peer inside one has the name as peer.name; the longest match wins.</summary>
    [SuppressMessage("Usage", "CA2227:Collection properties should be read only", Justification = "Configuration binding sets it.")]
    public Dictionary<string, List<string>> Networks { get; set; } = [];

    /// <summary>How long the names of what is gone are kept after their last use: of containers and units, and of addresses.</summary>
    public TimeSpan KeepNames { get; set; } = TimeSpan.FromMinutes(15);

    /// <summary>Whether peers are named by the DNS answers that this machine's programs get.</summary>
    public bool DnsNames { get; set; } = true;

    /// <summary>How long such a name is good for at least, whatever its time to live: programs use addresses for longer than they should.</summary>
    public TimeSpan DnsMinTtl { get; set; } = TimeSpan.FromMinutes(1);

    public TimeSpan DnsMaxTtl { get; set; } = TimeSpan.FromHours(1);

    /// <summary>Addresses with such a name. Past this, the longest unused are forgotten.</summary>
    public int MaxDnsNames { get; set; } = 16_384;

    /// <summary>Whether the agent asks the resolver of the host who has an address that nothing else names.</summary>
    public bool ReverseDns { get; set; }
}
