using System.Collections.Immutable;

namespace Sockwatch.Aggregation;

/// <summary>How many label sets there may be, how many each metric has, and how many found no room. By <see cref="TrafficMetric"/>.</summary>
internal sealed record SeriesBudget(int Limit, ImmutableArray<int> Series, ImmutableArray<long> Folded)
{
    public static readonly SeriesBudget None = new(0, [.. new int[TrafficMetrics.Count]], [.. new long[TrafficMetrics.Count]]);
}
