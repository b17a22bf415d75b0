namespace Sockwatch.Aggregation;

/// <summary>How much is kept apart, and for how long.</summary>
internal sealed class AggregationOptions
{
    /// <summary>Label sets at once. Past this, the smallest new ones are counted under peer_name="_overflow".</summary>
    public int MaxSeries { get; set; } = 10_000;

    /// <summary>Edge attributes left empty; edges that differ in nothing else are counted together.</summary>
    public IList<string> DropAttributes { get; } = [];

    /// <summary>How much of an IPv4 peer's address is a label of its own: 24 is its network, 32 all of it, 0 none.</summary>
    public int PeerAddressBits4 { get; set; }

    /// <summary>The same for IPv6.</summary>
    public int PeerAddressBits6 { get; set; }

    /// <summary>How long an edge without open sockets and without traffic keeps its place in the kernel's map.</summary>
    public TimeSpan EdgeTtl { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How long a series stays on the page after its last edge is gone.</summary>
    public TimeSpan SeriesTtl { get; set; } = TimeSpan.FromMinutes(10);
}
