using System.Runtime.CompilerServices;
using Sockwatch.Kernel;

namespace Sockwatch.Aggregation;

/// <summary>The metrics an edge feeds; an index into the counts of <see cref="SeriesBudget"/>.</summary>
internal enum TrafficMetric
{
    SocketIo,
    SocketOperations,
    ConnectionsOpen,
    ConnectDuration,
    ConnectionDuration,
    TcpRtt,
    TcpRetransmits,
    TcpResets,
    ListenOverflows,
    Detections,
}

internal static class TrafficMetrics
{
    public const int Count = (int)TrafficMetric.Detections + 1;

    public static bool IsHistogram(this TrafficMetric metric) =>
        metric is TrafficMetric.ConnectDuration or TrafficMetric.ConnectionDuration or TrafficMetric.TcpRtt;
}

/// <summary>Some of the metrics.</summary>
internal readonly record struct MetricSet(int Bits)
{
    public static readonly MetricSet None;
    public static readonly MetricSet All = new((1 << TrafficMetrics.Count) - 1);

    public bool Contains(TrafficMetric metric) => (Bits & (1 << (int)metric)) != 0;

    public MetricSet With(TrafficMetric metric) => new(Bits | (1 << (int)metric));

    public MetricSet Without(TrafficMetric metric) => new(Bits & ~(1 << (int)metric));

    /// <summary>What these metrics are made of; 0 elsewhere.</summary>
    public EdgeTotals Of(in EdgeTotals totals)
    {
        var some = default(EdgeTotals);
        if (Contains(TrafficMetric.SocketIo))
        {
            some.BytesSent = totals.BytesSent;
            some.BytesReceived = totals.BytesReceived;
        }

        if (Contains(TrafficMetric.SocketOperations))
        {
            some.Sends = totals.Sends;
            some.Receives = totals.Receives;
            some.Connects = totals.Connects;
            some.Accepts = totals.Accepts;
            some.Releases = totals.Releases;
        }

        if (Contains(TrafficMetric.ConnectionsOpen))
        {
            some.Opened = totals.Opened;
            some.Closed = totals.Closed;
        }

        if (Contains(TrafficMetric.TcpRetransmits))
        {
            some.Retransmits = totals.Retransmits;
        }

        if (Contains(TrafficMetric.TcpResets))
        {
            some.ResetsSent = totals.ResetsSent;
            some.ResetsReceived = totals.ResetsReceived;
        }

        if (Contains(TrafficMetric.ListenOverflows))
        {
            some.ListenOverflows = totals.ListenOverflows;
        }

        return some;
    }
}

/// <summary>A number for each metric.</summary>
[InlineArray(TrafficMetrics.Count)]
internal struct PerMetric<T>
{
    private T _first;
}
