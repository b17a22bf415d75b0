using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Options;
using Sockwatch.Kernel;
using Sockwatch.Reader;

namespace Sockwatch.Aggregation;

/// <summary>
/// Turns the kernel's totals per edge into running totals per label set. It remembers what it last read of each edge and adds
/// only the growth to the label set the edge has now, so a series never goes backwards when names change or an edge leaves.
/// Nothing is ever added twice or dropped: the series and the retired bytes always add up to all that was read. Bounded: the
/// edges by the kernel's own map, the label sets by a budget whose excess goes to one overflow series. Not thread-safe; one
/// collection at a time uses it.
/// </summary>
internal sealed class TrafficTable : IEdgeSink
{
    // Names settle within moments, or change rarely (a workload is redeployed under an edge that stays).
    private static readonly TimeSpan RenameInterval = TimeSpan.FromMinutes(1);

    // Enough to keep up, few enough that no collection stalls on a mass departure.
    private const int MaxRemovalsAtOnce = 10_000;

    private readonly IEdgeNaming _naming;
    private readonly AttributeSelection _selection;
    private readonly TimeProvider _time;
    private readonly int _maxSeries;
    private readonly long _edgeTtl;
    private readonly long _seriesTtl;
    private readonly long _renameInterval;
    private readonly Dictionary<EdgeKey, Edge> _edges = [];
    private readonly Dictionary<EdgeAttributes, Series> _series = [];
    private readonly Dictionary<EdgeAttributes, Series> _pending = [];
    private readonly List<EdgeKey> _unnamed = [];
    private readonly List<EdgeKey> _idle = [];
    private readonly long[] _folded = new long[TrafficMetrics.Count];
    private readonly Series _overflow;
    private long _lastSeriesId;
    private long _now;
    private DateTimeOffset _startedAt;
    private ObservedBytes _retired;

    public TrafficTable(IEdgeNaming naming, IOptions<AggregationOptions> options, TimeProvider time)
    {
        _naming = naming;
        _selection = new AttributeSelection(options.Value);
        _time = time;
        _maxSeries = options.Value.MaxSeries;
        _edgeTtl = Ticks(options.Value.EdgeTtl);
        _seriesTtl = Ticks(options.Value.SeriesTtl);
        _renameInterval = Ticks(RenameInterval);
        Begin();
        _overflow = NewSeries(EdgeAttributes.Overflow);
        _series.Add(EdgeAttributes.Overflow, _overflow);
    }

    public int Edges => _edges.Count;

    private int Room => _maxSeries - _series.Count;

    /// <summary>Starts a collection; what the kernel hands over until <see cref="Complete"/> is of this moment.</summary>
    public void Begin()
    {
        _now = _time.GetTimestamp();
        _startedAt = _time.GetUtcNow();
    }

    public void OnEdge(in EdgeKey key, in EdgeTotals totals)
    {
        ref var edge = ref Find(key, out var isNew);
        var changed = isNew || edge.Last != totals;
        if (!changed)
        {
            RenameIfDue(key, ref edge, changed: false);
            return;
        }

        RenameIfDue(key, ref edge, changed: true);
        edge.ChangedAt = _now;
        if (edge.Series is { } series)
        {
            series.Add(Growth(totals, edge.Last), OpenOf(totals) - OpenOf(edge.Last));
        }

        edge.Last = totals;
    }

    public void OnTimings(in EdgeKey key, in EdgeTimings timings)
    {
        ref var edge = ref Find(key, out _);
        var details = edge.Details ??= new EdgeDetails();
        if (details.HasTimings && Same(details.Timings, timings))
        {
            return;
        }

        RenameIfDue(key, ref edge, changed: true);
        edge.ChangedAt = _now;
        edge.Series?.AddTimings(timings, IsRestarted(timings, details.Timings) ? default : details.Timings);
        details.Timings = timings;
        details.HasTimings = true;
    }

    public void OnFailures(in EdgeFailureKey key, in EdgeFailures failures)
    {
        ref var edge = ref Find(key.Edge, out _);
        ref var last = ref (edge.Details ??= new EdgeDetails()).Failures(key.Operation, key.Error);
        if (last.Values.Count == failures.Count && last.Values.Duration == failures.Duration)
        {
            return;
        }

        RenameIfDue(key.Edge, ref edge, changed: true);
        edge.ChangedAt = _now;
        edge.Series?.AddFailures(key.Operation, key.Error, failures, failures.Count < last.Values.Count ? default : last.Values);
        last.Values = failures;
    }

    /// <summary>Ends a collection: names what is new, keeps the budget, and drops the series that nothing feeds any more.</summary>
    public void Complete()
    {
        // The serving side first: it is what the client side's peer is named after.
        NameNewEdges(serving: true);
        NameNewEdges(serving: false);
        _unnamed.Clear();
        AdmitPending();
        RetireSeries();
    }

    /// <summary>
    /// Edges with no open socket and no change for a while, and edges the kernel has not shown for as long. Valid until the
    /// next call.
    /// </summary>
    public IReadOnlyList<EdgeKey> IdleEdges()
    {
        _idle.Clear();
        foreach (var (key, edge) in _edges)
        {
            var isQuiet = _now - edge.ChangedAt >= _edgeTtl && edge.Last.Opened == edge.Last.Closed;
            if ((isQuiet || _now - edge.SeenAt >= _edgeTtl) && !key.IsOverflow)
            {
                _idle.Add(key);
                if (_idle.Count == MaxRemovalsAtOnce)
                {
                    break;
                }
            }
        }

        return _idle;
    }

    /// <summary>The kernel no longer has the edge; should it come back, it begins at zero.</summary>
    public void Forget(in EdgeKey key)
    {
        if (_edges.Remove(key, out var edge) && edge.Series is { } series)
        {
            Leave(Resolve(series), edge.Last);
        }
    }

    public ImmutableArray<TrafficSeries> Snapshot()
    {
        var snapshot = ImmutableArray.CreateBuilder<TrafficSeries>(_series.Count);
        foreach (var series in _series.Values)
        {
            // The overflow series is there from the start, to be found, but is nobody's business until it is used.
            if (series != _overflow || series.IsUsed)
            {
                snapshot.Add(series.Snapshot());
            }
        }

        return snapshot.DrainToImmutable();
    }

    public SeriesBudget Budget(ImmutableArray<TrafficSeries> series)
    {
        var counts = new int[TrafficMetrics.Count];
        foreach (var one in series)
        {
            for (var metric = 0; metric < counts.Length; metric++)
            {
                counts[metric] += one.Has((TrafficMetric)metric) ? 1 : 0;
            }
        }

        return new SeriesBudget(_maxSeries, ImmutableCollectionsMarshal.AsImmutableArray(counts), [.. _folded]);
    }

    /// <summary>Bytes of the series that have left.</summary>
    public ObservedBytes Retired => _retired;

    private ref Edge Find(in EdgeKey key, out bool isNew)
    {
        ref var edge = ref CollectionsMarshal.GetValueRefOrAddDefault(_edges, key, out var known);
        isNew = !known;
        if (isNew)
        {
            edge.FirstSeenAt = _now;
            edge.ChangedAt = _now;
            if (key.IsOverflow)
            {
                Join(ref edge, _overflow);
                edge.RenameAt = long.MaxValue;
            }
            else
            {
                _unnamed.Add(key);
            }
        }
        else if (edge.Series is { FoldedInto: not null } folded)
        {
            edge.Series = Resolve(folded);
        }

        edge.SeenAt = _now;
        return ref edge;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void RenameIfDue(in EdgeKey key, ref Edge edge, bool changed)
    {
        if (_now >= edge.RenameAt && edge.Series is not null && (changed || !edge.IsNamed))
        {
            Rename(key, ref edge);
        }
    }

    private void Rename(in EdgeKey key, ref Edge edge)
    {
        var current = edge.Series!;
        var attributes = NameOf(key, ref edge);
        if (attributes == current.Attributes || (current == _overflow && Room - _pending.Count <= 0 && !_series.ContainsKey(attributes)))
        {
            return;
        }

        // What is counted stays where it was counted; what is open now moves, or it would be closed under another name.
        Leave(current, edge.Last);
        var next = SeriesOf(attributes);
        Join(ref edge, next);
        next.AddOpen(OpenOf(edge.Last));
    }

    private void NameNewEdges(bool serving)
    {
        foreach (var key in _unnamed)
        {
            if (serving != (key.Role == NetworkRole.Server))
            {
                continue;
            }

            ref var edge = ref CollectionsMarshal.GetValueRefOrNullRef(_edges, key);
            if (Unsafe.IsNullRef(ref edge) || edge.Series is not null)
            {
                continue;
            }

            var series = SeriesOf(NameOf(key, ref edge));
            Join(ref edge, series);
            series.Add(edge.Last, OpenOf(edge.Last));
            if (edge.Details is { } details)
            {
                details.AddTo(series);
            }

            if (_pending.Count > Math.Max(1024, 2 * Room))
            {
                AdmitPending(onlyMakeRoom: true);
            }
        }
    }

    private EdgeAttributes NameOf(in EdgeKey key, ref Edge edge)
    {
        var attributes = _naming.Name(key);
        edge.IsNamed = attributes.IsComplete;

        // A name that is late is asked for often at first, then as rarely as any other.
        edge.RenameAt = _now + (edge.IsNamed ? _renameInterval : Math.Min(_renameInterval, _now - edge.FirstSeenAt));
        return _selection.Apply(key, attributes);
    }

    private Series SeriesOf(EdgeAttributes attributes)
    {
        if (_series.TryGetValue(attributes, out var series) || _pending.TryGetValue(attributes, out series))
        {
            return series;
        }

        series = NewSeries(attributes);
        _pending.Add(attributes, series);
        return series;
    }

    private Series NewSeries(EdgeAttributes attributes) => new(++_lastSeriesId, attributes, _startedAt);

    private void AdmitPending(bool onlyMakeRoom = false)
    {
        if (_pending.Count == 0)
        {
            return;
        }

        var room = Math.Max(0, Room);
        if (_pending.Count > room)
        {
            foreach (var series in _pending.Values.OrderByDescending(series => series.Size).Skip(room).ToList())
            {
                _pending.Remove(series.Attributes);
                Fold(series);
            }
        }

        if (onlyMakeRoom)
        {
            return;
        }

        foreach (var series in _pending.Values)
        {
            _series.Add(series.Attributes, series);
        }

        _pending.Clear();
    }

    private void Fold(Series series)
    {
        var snapshot = series.Snapshot();
        for (var metric = 0; metric < _folded.Length; metric++)
        {
            _folded[metric] += snapshot.Has((TrafficMetric)metric) ? 1 : 0;
        }

        _overflow.AddAll(series);
        series.FoldedInto = _overflow;
    }

    private void RetireSeries()
    {
        List<Series>? gone = null;
        foreach (var series in _series.Values)
        {
            if (series.Edges == 0 && series != _overflow && _now - series.LeftAt >= _seriesTtl)
            {
                (gone ??= []).Add(series);
            }
        }

        foreach (var series in gone ?? [])
        {
            _series.Remove(series.Attributes);
            _retired = new ObservedBytes(_retired.Transmitted + series.Totals.BytesSent, _retired.Received + series.Totals.BytesReceived);
        }
    }

    private static void Join(ref Edge edge, Series series)
    {
        edge.Series = series;
        series.Edges++;
    }

    private void Leave(Series series, in EdgeTotals last)
    {
        series.AddOpen(-OpenOf(last));
        if (--series.Edges == 0)
        {
            series.LeftAt = _now;
        }
    }

    private static Series Resolve(Series series) => series.FoldedInto ?? series;

    private static long OpenOf(in EdgeTotals totals) => unchecked((long)(totals.Opened - totals.Closed));

    // A total that shrank is a new count under an old key: somebody emptied the map.
    private static EdgeTotals Growth(in EdgeTotals now, in EdgeTotals last) => IsRestarted(now, last) ? now : now - last;

    private static bool IsRestarted(in EdgeTotals now, in EdgeTotals last) =>
        now.BytesSent < last.BytesSent || now.BytesReceived < last.BytesReceived || now.Sends < last.Sends
        || now.Receives < last.Receives || now.Connects < last.Connects || now.Accepts < last.Accepts
        || now.Releases < last.Releases || now.Opened < last.Opened || now.Closed < last.Closed
        || now.Retransmits < last.Retransmits || now.ResetsSent < last.ResetsSent
        || now.ResetsReceived < last.ResetsReceived || now.ListenOverflows < last.ListenOverflows;

    private static bool IsRestarted(in EdgeTimings now, in EdgeTimings last) =>
        now.Connect.SumNs < last.Connect.SumNs || now.Connection.SumNs < last.Connection.SumNs || now.Rtt.SumNs < last.Rtt.SumNs;

    private static bool Same(in EdgeTimings left, in EdgeTimings right) =>
        left.Rtt == right.Rtt && left.Connect == right.Connect && left.Connection == right.Connection;

    private long Ticks(TimeSpan span) => (long)(span.TotalSeconds * _time.TimestampFrequency);

    /// <summary>What was last read of one edge, and where it counts.</summary>
    private struct Edge
    {
        public EdgeTotals Last;
        public Series? Series;
        public EdgeDetails? Details;
        public long FirstSeenAt;
        public long ChangedAt;
        public long SeenAt;
        public long RenameAt;
        public bool IsNamed;
    }

    /// <summary>What only some edges have.</summary>
    private sealed class EdgeDetails
    {
        private FailureKind[] _failures = [];

        public EdgeTimings Timings;

        public bool HasTimings;

        public ref FailureKind Failures(SocketOperation operation, ushort error)
        {
            for (var i = 0; i < _failures.Length; i++)
            {
                if (_failures[i].Operation == operation && _failures[i].Error == error)
                {
                    return ref _failures[i];
                }
            }

            Array.Resize(ref _failures, _failures.Length + 1);
            _failures[^1] = new FailureKind { Operation = operation, Error = error };
            return ref _failures[^1];
        }

        public void AddTo(Series series)
        {
            if (HasTimings)
            {
                series.AddTimings(Timings, default);
            }

            foreach (ref readonly var failure in _failures.AsSpan())
            {
                series.AddFailures(failure.Operation, failure.Error, failure.Values, default);
            }
        }
    }

    private struct FailureKind
    {
        public SocketOperation Operation;
        public ushort Error;
        public EdgeFailures Values;
    }

    /// <summary>The running totals of one label set.</summary>
    private sealed class Series(long id, EdgeAttributes attributes, DateTimeOffset startedAt)
    {
        private EdgeTotals _totals;
        private EdgeTimings[]? _timings;
        private SortedDictionary<(SocketOperation Operation, string ErrorType), EdgeFailures>? _failures;
        private long _open;
        private TrafficSeries? _snapshot;

        public EdgeAttributes Attributes => attributes;

        public ref readonly EdgeTotals Totals => ref _totals;

        public int Edges { get; set; }

        public long LeftAt { get; set; }

        public Series? FoldedInto { get; set; }

        public bool IsUsed { get; private set; }

        public (ulong Bytes, ulong Operations) Size =>
            (_totals.BytesSent + _totals.BytesReceived, _totals.Sends + _totals.Receives + _totals.Connects + _totals.Accepts);

        public void Add(in EdgeTotals growth, long openGrowth)
        {
            _totals += growth;
            _open += openGrowth;
            Changed();
        }

        public void AddOpen(long open)
        {
            if (open != 0)
            {
                _open += open;
                Changed();
            }
        }

        public void AddTimings(in EdgeTimings now, in EdgeTimings last)
        {
            ref var timings = ref (_timings ??= new EdgeTimings[1])[0];
            timings.Connect.AddGrowth(now.Connect, last.Connect);
            timings.Connection.AddGrowth(now.Connection, last.Connection);
            timings.Rtt.AddGrowth(now.Rtt, last.Rtt);
            Changed();
        }

        public void AddFailures(SocketOperation operation, ushort error, in EdgeFailures now, in EdgeFailures last) =>
            AddFailures((operation, ErrorType.Name(error)), now, last);

        public void AddAll(Series other)
        {
            _totals += other._totals;
            _open += other._open;
            Edges += other.Edges;
            if (other._timings is { } timings)
            {
                AddTimings(timings[0], default);
            }

            foreach (var (kind, failures) in other._failures ?? [])
            {
                AddFailures(kind, failures, default);
            }

            Changed();
        }

        public TrafficSeries Snapshot() => _snapshot ??= new TrafficSeries(
            id,
            attributes,
            startedAt,
            _totals,
            Math.Max(0, _open), // a close can be read before its open
            _timings is null ? null : new TrafficTimings(_timings[0]),
            _failures is null ? [] : [.. _failures.Select(one => new TrafficFailures(one.Key.Operation, one.Key.ErrorType, one.Value))]);

        private void AddFailures((SocketOperation Operation, string ErrorType) kind, in EdgeFailures now, in EdgeFailures last)
        {
            _failures ??= new SortedDictionary<(SocketOperation Operation, string ErrorType), EdgeFailures>(FailureOrder.Instance);
            _failures.TryGetValue(kind, out var total);
            total.Count += now.Count - last.Count;
            total.Duration.AddGrowth(now.Duration, last.Duration);
            _failures[kind] = total;
            Changed();
        }

        private void Changed()
        {
            IsUsed = true;
            _snapshot = null;
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
