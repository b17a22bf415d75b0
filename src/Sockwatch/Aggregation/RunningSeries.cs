using System.Collections.Immutable;
using Sockwatch.Kernel;

namespace Sockwatch.Aggregation;

/// <summary>
/// The running totals of one label set, metric by metric either shown as its own or folded into the overflow series. What is
/// folded grows there; what is shown only grows here. So the two always add up, and no life of a series goes backwards.
/// </summary>
/// <param name="overflow">Null for the overflow series itself, which shows everything.</param>
/// <param name="startedAt">When the totals were at zero.</param>
internal sealed class RunningSeries(long id, EdgeAttributes attributes, DateTimeOffset startedAt, RunningSeries? overflow)
{
    /// <summary>Names of detections that one label set tells apart; the rest share one.</summary>
    public const int MaxDetectionNames = 256;

    private EdgeTotals _totals;
    private EdgeTimings[]? _timings;
    private SortedDictionary<(SocketOperation Operation, string ErrorType), EdgeFailures>? _failures;
    private SortedDictionary<string, ulong>? _detections;
    private DateTimeOffset[]? _startedAgainAt;
    private PerMetric<ulong> _weights;
    private PerMetric<ushort> _mostPoints;
    private TrafficSeries? _snapshot;

    // What its edges have open, whether shown here or folded.
    private long _open;

    public EdgeAttributes Attributes => attributes;

    public int Edges { get; set; }

    public long LeftAt { get; set; }

    /// <summary>Metrics whose values go to the overflow series.</summary>
    public MetricSet Folded { get; private set; }

    /// <summary>Metrics that the last report showed.</summary>
    public MetricSet Reported { get; set; }

    /// <summary>Set once the label set is no longer kept apart at all; its edges go on there.</summary>
    public RunningSeries? ForgottenFor { get; private set; }

    public bool IsOverflow => overflow is null;

    /// <summary>How much its edges have counted, shown or folded. It never shrinks, so that places do not change hands twice.</summary>
    public ulong Weight(TrafficMetric metric) => _weights[(int)metric];

    /// <summary>For choosing among label sets that show nothing.</summary>
    public ulong WeightOverall => Overall(Weight(TrafficMetric.SocketIo), Weight(TrafficMetric.SocketOperations));

    /// <summary>How many series it was when it was last seen, and so is likely to be again.</summary>
    public int MostPoints(TrafficMetric metric) => Math.Max((int)_mostPoints[(int)metric], 1);

    public static ulong WeightOverallOf(in EdgeTotals totals) => Overall(Bytes(totals), Operations(totals));

    public void Add(in EdgeTotals growth, long openGrowth)
    {
        Weigh(growth);
        if (Folded == MetricSet.None)
        {
            _totals += growth;
            _open += openGrowth;
            _snapshot = null;
            return;
        }

        var elsewhere = Folded.Of(growth);
        overflow!.AddTotals(elsewhere);
        var here = growth - elsewhere;
        if (here != default)
        {
            AddTotals(here);
        }

        AddOpen(openGrowth);
    }

    public void AddOpen(long open)
    {
        if (open == 0)
        {
            return;
        }

        _open += open;
        if (Folded.Contains(TrafficMetric.ConnectionsOpen))
        {
            overflow!.AddOpen(open);
        }
        else
        {
            _snapshot = null;
        }
    }

    public void AddTimings(in EdgeTimings now, in EdgeTimings last)
    {
        Weigh(now, last);
        Holder(TrafficMetric.ConnectDuration).Timings().Connect.AddGrowth(now.Connect, last.Connect);
        Holder(TrafficMetric.ConnectionDuration).Timings().Connection.AddGrowth(now.Connection, last.Connection);
        Holder(TrafficMetric.TcpRtt).Timings().Rtt.AddGrowth(now.Rtt, last.Rtt);
    }

    public void AddFailures(SocketOperation operation, string errorType, in EdgeFailures now, in EdgeFailures last)
    {
        unchecked
        {
            _weights[(int)TrafficMetric.SocketOperations] += now.Count - last.Count;
            _weights[(int)TrafficMetric.ConnectDuration] += now.Duration.Count - last.Duration.Count;
        }

        if (now.Count != last.Count)
        {
            Holder(TrafficMetric.SocketOperations).AddFailures((operation, errorType), unchecked(now.Count - last.Count), default, default);
        }

        if (now.Duration != last.Duration)
        {
            Holder(TrafficMetric.ConnectDuration).AddFailures((operation, errorType), 0, now.Duration, last.Duration);
        }
    }

    public void AddDetections(string name, ulong count)
    {
        unchecked
        {
            _weights[(int)TrafficMetric.Detections] += count;
        }

        Holder(TrafficMetric.Detections).CountDetections(name, count);
    }

    /// <summary>For an edge that counted elsewhere until now, so that a renamed one need not begin among the smallest.</summary>
    public void Weigh(in EdgeTotals totals)
    {
        unchecked
        {
            _weights[(int)TrafficMetric.SocketIo] += Bytes(totals);
            _weights[(int)TrafficMetric.SocketOperations] += Operations(totals);
            _weights[(int)TrafficMetric.ConnectionsOpen] += totals.Opened;
            _weights[(int)TrafficMetric.TcpRetransmits] += totals.Retransmits;
            _weights[(int)TrafficMetric.TcpResets] += totals.ResetsSent + totals.ResetsReceived;
            _weights[(int)TrafficMetric.ListenOverflows] += totals.ListenOverflows;
        }
    }

    public void Weigh(in EdgeTimings now, in EdgeTimings last)
    {
        unchecked
        {
            _weights[(int)TrafficMetric.ConnectDuration] += now.Connect.Count - last.Connect.Count;
            _weights[(int)TrafficMetric.ConnectionDuration] += now.Connection.Count - last.Connection.Count;
            _weights[(int)TrafficMetric.TcpRtt] += now.Rtt.Count - last.Rtt.Count;
        }
    }

    /// <summary>Moves what the metric shows to the overflow series, where it goes on.</summary>
    public void Fold(TrafficMetric metric)
    {
        var moved = MetricSet.None.With(metric).Of(_totals);
        overflow!.AddTotals(moved);
        AddTotals(default(EdgeTotals) - moved);
        if (metric == TrafficMetric.ConnectionsOpen)
        {
            overflow.AddOpen(_open);
        }

        MoveTimings(metric);
        MoveFailures(metric);
        MoveDetections(metric);
        Folded = Folded.With(metric);
        Reported = Reported.Without(metric);
        _snapshot = null;
    }

    /// <summary>
    /// Gives the metric a place again. What was folded stays where it is, for the overflow series must not go backwards: the
    /// totals begin at zero. Only what is open comes back, being no total.
    /// </summary>
    public void Unfold(TrafficMetric metric, DateTimeOffset now)
    {
        Folded = Folded.Without(metric);
        (_startedAgainAt ??= new DateTimeOffset[TrafficMetrics.Count])[(int)metric] = now;
        if (metric == TrafficMetric.ConnectionsOpen)
        {
            overflow!.AddOpen(-_open);
        }

        _snapshot = null;
    }

    /// <summary>Folds everything, for good: the next edge of these names begins a label set anew.</summary>
    public void Forget()
    {
        for (var metric = 0; metric < TrafficMetrics.Count; metric++)
        {
            if (!Folded.Contains((TrafficMetric)metric))
            {
                Fold((TrafficMetric)metric);
            }
        }

        overflow!.Edges += Edges;
        ForgottenFor = overflow;
    }

    /// <summary>Takes over the totals of a series that leaves.</summary>
    public void AddShown(RunningSeries other)
    {
        AddTotals(other._totals);
        if (other._timings is { } timings)
        {
            AddTimings(timings[0], default);
        }

        foreach (var ((operation, errorType), failures) in other._failures ?? [])
        {
            AddFailures(operation, errorType, failures, default);
        }

        foreach (var (name, count) in other._detections ?? [])
        {
            CountDetections(name, count);
        }
    }

    public TrafficSeries Snapshot()
    {
        if (_snapshot is null)
        {
            _snapshot = new TrafficSeries(
                id,
                attributes,
                startedAt,
                _totals,
                Folded.Contains(TrafficMetric.ConnectionsOpen) ? 0 : Math.Max(0, _open), // a close can be read before its open
                _timings is null ? null : new TrafficTimings(_timings[0]),
                _failures is null ? [] : [.. _failures.Select(one => new TrafficFailures(one.Key.Operation, one.Key.ErrorType, one.Value))],
                _startedAgainAt?.ToArray(),
                _detections is null ? [] : [.. _detections.Select(one => new TrafficDetections(one.Key, one.Value))]);
            for (var metric = 0; metric < TrafficMetrics.Count; metric++)
            {
                _mostPoints[metric] = Math.Max(_mostPoints[metric], (ushort)_snapshot.Points((TrafficMetric)metric));
            }
        }

        return _snapshot;
    }

    // A call is worth as much as a thousand bytes.
    private static ulong Overall(ulong bytes, ulong operations) => unchecked(bytes + (1000 * operations));

    private static ulong Bytes(in EdgeTotals totals) => unchecked(totals.BytesSent + totals.BytesReceived);

    private static ulong Operations(in EdgeTotals totals) =>
        unchecked(totals.Sends + totals.Receives + totals.Connects + totals.Accepts + totals.Releases);

    private RunningSeries Holder(TrafficMetric metric) => Folded.Contains(metric) ? overflow! : this;

    private void AddTotals(in EdgeTotals growth)
    {
        _totals += growth;
        _snapshot = null;
    }

    private ref EdgeTimings Timings()
    {
        _snapshot = null;
        return ref (_timings ??= new EdgeTimings[1])[0];
    }

    private void AddFailures(
        (SocketOperation Operation, string ErrorType) kind, ulong count, in Latency durationNow, in Latency durationLast)
    {
        _failures ??= new SortedDictionary<(SocketOperation Operation, string ErrorType), EdgeFailures>(FailureOrder.Instance);
        _failures.TryGetValue(kind, out var total);
        total.Count = unchecked(total.Count + count);
        total.Duration.AddGrowth(durationNow, durationLast);
        _failures[kind] = total;
        _snapshot = null;
    }

    private void CountDetections(string name, ulong count)
    {
        _detections ??= new SortedDictionary<string, ulong>(StringComparer.Ordinal);
        if (_detections.Count >= MaxDetectionNames && !_detections.ContainsKey(name))
        {
            name = Verdicts.Detections.OtherName;
        }

        _detections.TryGetValue(name, out var total);
        _detections[name] = unchecked(total + count);
        _snapshot = null;
    }

    private void MoveDetections(TrafficMetric metric)
    {
        if (_detections is null || metric != TrafficMetric.Detections)
        {
            return;
        }

        foreach (var (name, count) in _detections)
        {
            overflow!.CountDetections(name, count);
        }

        _detections = null;
    }

    private void MoveTimings(TrafficMetric metric)
    {
        if (_timings is null || !metric.IsHistogram())
        {
            return;
        }

        ref var mine = ref _timings[0];
        ref var theirs = ref overflow!.Timings();
        switch (metric)
        {
            case TrafficMetric.ConnectDuration:
                theirs.Connect.AddGrowth(mine.Connect, default);
                mine.Connect = default;
                break;
            case TrafficMetric.ConnectionDuration:
                theirs.Connection.AddGrowth(mine.Connection, default);
                mine.Connection = default;
                break;
            default:
                theirs.Rtt.AddGrowth(mine.Rtt, default);
                mine.Rtt = default;
                break;
        }
    }

    private void MoveFailures(TrafficMetric metric)
    {
        if (_failures is null || metric is not (TrafficMetric.SocketOperations or TrafficMetric.ConnectDuration))
        {
            return;
        }

        foreach (var (kind, failures) in _failures.ToArray())
        {
            var rest = failures;
            if (metric == TrafficMetric.SocketOperations)
            {
                rest.Count = 0;
            }
            else
            {
                rest.Duration = default;
            }

            if (rest.Count != failures.Count || rest.Duration != failures.Duration)
            {
                overflow!.AddFailures(kind, failures.Count - rest.Count, failures.Duration, rest.Duration);
            }

            if (rest.Count == 0 && rest.Duration.Count == 0)
            {
                _failures.Remove(kind);
            }
            else
            {
                _failures[kind] = rest;
            }
        }
    }

    private sealed class FailureOrder : IComparer<(SocketOperation Operation, string ErrorType)>
    {
        public static readonly FailureOrder Instance = new();

        public int Compare((SocketOperation Operation, string ErrorType) x, (SocketOperation Operation, string ErrorType) y)
        {
            var byOperation = x.Operation.CompareTo(y.Operation);
            return byOperation != 0 ? byOperation : string.CompareOrdinal(x.ErrorType, y.ErrorType);
        }
    }
}
