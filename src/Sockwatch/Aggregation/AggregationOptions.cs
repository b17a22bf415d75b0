namespace Sockwatch.Aggregation;

/// <summary>How much is kept apart, and for how long.</summary>
internal sealed class AggregationOptions
{
    /// <summary>Series of each metric at once. Past this, the smallest label sets are counted under peer_name="_overflow".</summary>
    public int MaxSeries { get; set; } = 10_000;

    /// <summary>The same for each histogram, whose every series is as many on the page as it has buckets and three more.</summary>
    public int MaxHistogramSeries { get; set; } = 2_000;

    /// <summary>Edge attributes left empty; edges that differ in nothing else are counted together.</summary>
    public IList<string> DropAttributes { get; } = [];

    /// <summary>Attributes that tell series apart besides the edge's; see <see cref="AttributeSelection.Addable"/>.</summary>
    public IList<string> AddAttributes { get; } = [];

    /// <summary>How much of an IPv4 peer's address is a label of its own: 24 is its network, 32 all of it, 0 none.</summary>
    public int PeerAddressBits4 { get; set; }

    /// <summary>The same for IPv6.</summary>
    public int PeerAddressBits6 { get; set; }

    /// <summary>How long an edge without open sockets and without traffic keeps its place in the kernel's map.</summary>
    public TimeSpan EdgeTtl { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>The same for an edge whose owner is gone: long enough for the last values to be scraped. Its series goes with it.</summary>
    public TimeSpan OwnerTtl { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>How long a series stays on the page after its last edge is gone.</summary>
    public TimeSpan SeriesTtl { get; set; } = TimeSpan.FromMinutes(10);
}
