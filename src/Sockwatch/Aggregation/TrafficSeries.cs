using System.Collections.Immutable;
using Sockwatch.Kernel;

namespace Sockwatch.Aggregation;

/// <summary>
/// The running totals of one label set at the time of a report. Immutable, and the same object as in the last report when
/// nothing changed, so that an exporter can skip it. A metric that has no room for this label set is 0 here.
/// </summary>
internal sealed class TrafficSeries
{
    private readonly EdgeTotals _totals;
    private readonly DateTimeOffset _startedAt;
    private readonly DateTimeOffset[]? _startedAgainAt;
    private readonly PerMetric<ushort> _points;

    /// <param name="startedAgainAt">By metric, where one began anew later than the series; default elsewhere.</param>
    public TrafficSeries(
        long id,
        EdgeAttributes attributes,
        DateTimeOffset startedAt,
        in EdgeTotals totals,
        long open,
        TrafficTimings? timings,
        ImmutableArray<TrafficFailures> failures,
        DateTimeOffset[]? startedAgainAt = null,
        ImmutableArray<TrafficDetections> detections = default)
    {
        Detections = detections.IsDefault ? [] : detections;
        Id = id;
        Attributes = attributes;
        Open = open;
        Timings = timings;
        Failures = failures;
        _totals = totals;
        _startedAt = startedAt;
        _startedAgainAt = startedAgainAt;
        var counter = new PointCounter();
        Visit(ref counter);
        _points = counter.Points;
    }

    /// <summary>Never used for another series while the agent runs.</summary>
    public long Id { get; }

    public EdgeAttributes Attributes { get; }

    public ref readonly EdgeTotals Totals => ref _totals;

    public long Open { get; }

    /// <summary>Null when nothing was timed: no TCP.</summary>
    public TrafficTimings? Timings { get; }

    public ImmutableArray<TrafficFailures> Failures { get; }

    public ImmutableArray<TrafficDetections> Detections { get; }

    /// <summary>
    /// When the metric's totals were at zero. Together with the id it names one life of them, in which they only grow: a label
    /// set that lost its place and got it back begins at zero again.
    /// </summary>
    public DateTimeOffset StartedAt(TrafficMetric metric) =>
        _startedAgainAt is { } again && again[(int)metric] != default ? again[(int)metric] : _startedAt;

    /// <summary>How many series this is on a page, a histogram being one.</summary>
    public int Points(TrafficMetric metric) => _points[(int)metric];

    public bool Has(TrafficMetric metric) => Points(metric) > 0;

    /// <summary>Hands out every value that is to be shown. A series appears with its first value other than zero.</summary>
    public void Visit<T>(ref T points)
        where T : ITrafficPoints, allows ref struct
    {
        Count(ref points, TrafficMetric.SocketIo, _totals.BytesSent, TrafficPoint.Transmit);
        Count(ref points, TrafficMetric.SocketIo, _totals.BytesReceived, TrafficPoint.Receive);
        Count(ref points, TrafficMetric.SocketOperations, _totals.Connects, SocketOperation.Connect.Name());
        Count(ref points, TrafficMetric.SocketOperations, _totals.Accepts, SocketOperation.Accept.Name());
        Count(ref points, TrafficMetric.SocketOperations, _totals.Sends, SocketOperation.Send.Name());
        Count(ref points, TrafficMetric.SocketOperations, _totals.Receives, SocketOperation.Recv.Name());
        Count(ref points, TrafficMetric.SocketOperations, _totals.Releases, SocketOperation.Release.Name());
        foreach (var failures in Failures)
        {
            Count(ref points, TrafficMetric.SocketOperations, failures.Count, failures.Operation.Name(), failures.ErrorType);
        }

        if (_totals.Opened != 0 || Open != 0)
        {
            points.Level(TrafficMetric.ConnectionsOpen, Open);
        }

        if (Timings is { } timings)
        {
            Time(ref points, TrafficMetric.ConnectDuration, timings.Connect, "");
        }

        foreach (var failures in Failures)
        {
            if (failures.HasDuration)
            {
                points.Time(TrafficMetric.ConnectDuration, failures.Duration, failures.ErrorType);
            }
        }

        if (Timings is not null)
        {
            Time(ref points, TrafficMetric.ConnectionDuration, Timings.Connection, "");
            Time(ref points, TrafficMetric.TcpRtt, Timings.Rtt, "");
        }

        Count(ref points, TrafficMetric.TcpRetransmits, _totals.Retransmits);
        Count(ref points, TrafficMetric.TcpResets, _totals.ResetsSent, TrafficPoint.Transmit);
        Count(ref points, TrafficMetric.TcpResets, _totals.ResetsReceived, TrafficPoint.Receive);
        Count(ref points, TrafficMetric.ListenOverflows, _totals.ListenOverflows);
        foreach (var detections in Detections)
        {
            Count(ref points, TrafficMetric.Detections, detections.Count, detections.Name);
        }
    }

    private static void Count<T>(ref T points, TrafficMetric metric, ulong total, string first = "", string second = "")
        where T : ITrafficPoints, allows ref struct
    {
        if (total > 0)
        {
            points.Count(metric, total, first, second);
        }
    }

    private static void Time<T>(ref T points, TrafficMetric metric, in Latency total, string first)
        where T : ITrafficPoints, allows ref struct
    {
        if (total.Count > 0)
        {
            points.Time(metric, total, first);
        }
    }

    private struct PointCounter : ITrafficPoints
    {
        public PerMetric<ushort> Points;

        public void Count(TrafficMetric metric, ulong total, string first, string second) => Points[(int)metric]++;

        public void Level(TrafficMetric metric, long now) => Points[(int)metric]++;

        public void Time(TrafficMetric metric, in Latency total, string first) => Points[(int)metric]++;
    }
}

/// <summary>Values of a metric's own attributes.</summary>
internal static class TrafficPoint
{
    public const string Transmit = "transmit";
    public const string Receive = "receive";
}

/// <summary>The histograms of one label set.</summary>
internal sealed class TrafficTimings(in EdgeTimings timings)
{
    private readonly EdgeTimings _timings = timings;

    public ref readonly Latency Connect => ref _timings.Connect;

    public ref readonly Latency Connection => ref _timings.Connection;

    public ref readonly Latency Rtt => ref _timings.Rtt;
}

/// <summary>How often addresses with one name on a list were contacted.</summary>
internal readonly record struct TrafficDetections(string Name, ulong Count);

/// <summary>How often one operation failed in one way.</summary>
internal sealed class TrafficFailures(SocketOperation operation, string errorType, in EdgeFailures failures)
{
    private readonly EdgeFailures _failures = failures;

    public SocketOperation Operation => operation;

    public string ErrorType => errorType;

    public ulong Count => _failures.Count;

    public ref readonly Latency Duration => ref _failures.Duration;

    /// <summary>Only failed connects are timed.</summary>
    public bool HasDuration => operation == SocketOperation.Connect && Duration.Count > 0;
}
