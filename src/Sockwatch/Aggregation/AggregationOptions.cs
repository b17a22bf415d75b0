namespace Sockwatch.Aggregation;

/// <summary>How much is kept apart, and for how long.</summary>
internal sealed class AggregationOptions
{
    /// <summary>Label sets at once. Past this, the smallest new ones are counted under peer_name="_overflow".</summary>
    public int MaxSeries { get; set; } = 10_000;

    /// <summary>How long an edge without open sockets and without traffic keeps its place in the kernel's map.</summary>
    public TimeSpan EdgeTtl { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How long a series stays on the page after its last edge is gone.</summary>
    public TimeSpan SeriesTtl { get; set; } = TimeSpan.FromMinutes(10);
}
