using System.Collections.Immutable;

namespace Sockwatch.Aggregation;

/// <summary>
/// By <see cref="TrafficMetric"/>: how many series there may be, how many there are, and how many label sets found no room.
/// A series is one label set with the metric's own labels; a histogram is one.
/// </summary>
internal sealed record SeriesBudget(int Limit, ImmutableArray<int> Series, ImmutableArray<long> Folded)
{
    public static readonly SeriesBudget None = new(0, [.. new int[TrafficMetrics.Count]], [.. new long[TrafficMetrics.Count]]);

    /// <summary>Of each histogram.</summary>
    public int HistogramLimit { get; init; } = Limit;

    public int LimitOf(TrafficMetric metric) => metric.IsHistogram() ? HistogramLimit : Limit;
}
