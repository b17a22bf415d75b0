using System.Diagnostics.CodeAnalysis;

namespace Sockwatch.Enrichment;

/// <summary>What names are known beyond what the kernel tells.</summary>
internal sealed class EnrichmentOptions
{
    /// <summary>Name to networks (CIDR). A peer inside one has the name as peer.name; the longest match wins.</summary>
    [SuppressMessage("Usage", "CA2227:Collection properties should be read only", Justification = "Configuration binding sets it.")]
    public Dictionary<string, List<string>> Networks { get; set; } = [];
}
