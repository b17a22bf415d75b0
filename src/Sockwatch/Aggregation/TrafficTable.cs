using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Options;
using Sockwatch.Kernel;
using Sockwatch.Reader;
using Sockwatch.Verdicts;

namespace Sockwatch.Aggregation;

/// <summary>
/// Turns the kernel's totals per edge into running totals per label set. It remembers what it last read of each edge and adds
/// only the growth to the label set the edge has now, so a series never goes backwards when names change or an edge leaves.
/// Nothing is ever added twice or dropped: the series and what has retired always add up to all that was read. Bounded: the
/// edges by the kernel's own map, the label sets by <see cref="SeriesTable"/>. Not thread-safe; one collection at a time uses it.
/// </summary>
internal sealed class TrafficTable : IEdgeSink
{
    // Names settle within moments, or change rarely (a workload is redeployed under an edge that stays).
    private static readonly TimeSpan RenameInterval = TimeSpan.FromMinutes(1);

    // Whoever names an edge says how long a name is worth waiting for; nobody may wait longer than this.
    private static readonly TimeSpan LongestWaitForName = TimeSpan.FromSeconds(15);

    // Enough to keep up, few enough that no collection stalls on a mass departure.
    private const int MaxRemovalsAtOnce = 10_000;

    private readonly IEdgeNaming _naming;
    private readonly AttributeSelection _selection;
    private readonly IOwners? _owners;
    private readonly TimeProvider _time;
    private readonly SeriesTable _series;
    private readonly Detections? _detections;
    private readonly Func<RunningSeries, bool> _isOver;
    private readonly long _edgeTtl;
    private readonly long _ownerTtl;
    private readonly long _seriesTtl;
    private readonly long _renameInterval;
    private readonly long _longestWait;
    private readonly Dictionary<EdgeKey, Edge> _edges = [];
    private List<EdgeKey> _unnamed = [];
    private List<EdgeKey> _held = [];
    private readonly List<EdgeKey> _idle = [];
    private long _now;
    private uint _generation;

    // Of this collection and the one before. Always later than the last, so that each names one collection.
    private DateTimeOffset _readAt;
    private DateTimeOffset _readBefore;

    public TrafficTable(
        IEdgeNaming naming, IOptions<AggregationOptions> options, TimeProvider time, Detections? detections = null, IOwners? owners = null)
    {
        _detections = detections;
        _naming = naming;
        _owners = owners;
        _selection = new AttributeSelection(options.Value);
        _time = time;
        _edgeTtl = Ticks(options.Value.EdgeTtl);
        _ownerTtl = Math.Min(Ticks(options.Value.OwnerTtl), _edgeTtl);
        _seriesTtl = Ticks(options.Value.SeriesTtl);
        _renameInterval = Ticks(RenameInterval);
        _longestWait = Ticks(LongestWaitForName);
        _readAt = time.GetUtcNow();
        _series = new SeriesTable(options.Value, _readAt);
        _isOver = series => _now - series.LeftAt >= _seriesTtl;
    }

    public int Edges => _edges.Count;

    /// <summary>Label sets, shown or waiting for a place.</summary>
    public int LabelSets => _series.Count;

    /// <summary>Starts a collection; what the kernel hands over until <see cref="Complete"/> is of this moment.</summary>
    public void Begin()
    {
        _now = _time.GetTimestamp();
        _generation = _naming.Generation;
        var now = _time.GetUtcNow();
        _readBefore = _readAt;
        _readAt = now > _readBefore ? now : _readBefore.AddTicks(1);
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
        edge.Series?.AddFailures(key.Operation, ErrorType.Name(key.Error), failures, failures.Count < last.Values.Count ? default : last.Values);
        last.Values = failures;
    }

    public void OnDetections(in EdgeDetectionKey key, ulong count)
    {
        ref var edge = ref Find(key.Edge, out _);
        ref var last = ref (edge.Details ??= new EdgeDetails()).Detections(key.Detection);
        if (last == count)
        {
            return;
        }

        RenameIfDue(key.Edge, ref edge, changed: true);
        edge.ChangedAt = _now;
        edge.Series?.AddDetections(DetectionName(key.Detection), count < last ? count : count - last);
        last = count;
    }

    /// <summary>Ends a collection: names what is new, keeps the budget, and drops the series that nothing feeds any more.</summary>
    public void Complete()
    {
        // The serving side first: it is what the client side's peer is named after.
        NameNewEdges(serving: true);
        NameNewEdges(serving: false);
        (_unnamed, _held) = (_held, _unnamed);
        _held.Clear();
        _series.Settle(_readAt, _isOver);
    }

    /// <summary>
    /// Edges with no open socket and no change for a while, which is shorter when their owner is gone, and edges the kernel has
    /// not shown for as long. Valid until the next call.
    /// </summary>
    public IReadOnlyList<EdgeKey> IdleEdges()
    {
        _idle.Clear();
        foreach (var (key, edge) in _edges)
        {
            var silence = _now - edge.ChangedAt;
            var isQuiet = silence >= _ownerTtl && edge.Last.Opened == edge.Last.Closed && (silence >= _edgeTtl || IsOrphan(key));
            if ((isQuiet || _now - edge.SeenAt >= _edgeTtl) && !key.IsOverflow && edge.Series is not null)
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
        if (_edges.Remove(key, out var edge) && edge.Series is { } left)
        {
            var series = Resolve(left);
            Leave(series, edge.Last);
            if (IsOrphan(key))
            {
                // Nobody is left who could go on with it.
                series.LeftAt = _now - _seriesTtl;
            }
        }
    }

    /// <summary>As the last collection left it.</summary>
    public ImmutableArray<TrafficSeries> Snapshot() => _series.Snapshot();

    public SeriesBudget Budget(ImmutableArray<TrafficSeries> series) => _series.Budget(series);

    /// <summary>Totals of the series that have left.</summary>
    public TrafficSeries RetiredTotals => _series.Retired;

    /// <summary>Bytes of the series that have left.</summary>
    public ObservedBytes Retired => new(RetiredTotals.Totals.BytesSent, RetiredTotals.Totals.BytesReceived);

    private bool IsOrphan(in EdgeKey key) => _owners?.IsGone(key) == true;

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
                Join(ref edge, _series.Overflow);
                edge.RenameAt = long.MaxValue;
            }
            else
            {
                _unnamed.Add(key);
            }
        }
        else if (edge.Series is { ForgottenFor: not null } forgotten)
        {
            edge.Series = Resolve(forgotten);
        }

        edge.SeenAt = _now;
        return ref edge;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void RenameIfDue(in EdgeKey key, ref Edge edge, bool changed)
    {
        if ((changed || !edge.IsNamed) && edge.Series is not null
            && (_now >= edge.RenameAt || (edge.NamedIn != _generation && edge.RenameAt != long.MaxValue)))
        {
            Rename(key, ref edge);
        }
    }

    private void Rename(in EdgeKey key, ref Edge edge)
    {
        var current = edge.Series!;
        var attributes = NameOf(key, ref edge);
        if (attributes == current.Attributes || (current.IsOverflow && !_series.MayReturn(attributes, edge.Last)))
        {
            return;
        }

        // What is counted stays where it was counted; what is open now moves, or it would be closed under another name.
        Leave(current, edge.Last);
        var next = _series.Of(attributes, _readBefore);
        Join(ref edge, next);
        next.AddOpen(OpenOf(edge.Last));
        next.Weigh(edge.Last);
        if (edge.Details is { HasTimings: true } details)
        {
            next.Weigh(details.Timings, default);
        }
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

            // Counted under a name that will not last, it would be there twice: it is published a moment later instead.
            var attributes = _naming.Name(key);
            if (attributes.IsProvisional && _now - edge.FirstSeenAt < _longestWait)
            {
                _held.Add(key);
                continue;
            }

            var series = _series.Of(Selected(key, ref edge, attributes), _readBefore);
            Join(ref edge, series);
            series.Add(edge.Last, OpenOf(edge.Last));
            if (edge.Details is { } details)
            {
                details.AddTo(series, DetectionName);
            }
        }
    }

    private EdgeAttributes NameOf(in EdgeKey key, ref Edge edge) => Selected(key, ref edge, _naming.Name(key));

    private EdgeAttributes Selected(in EdgeKey key, ref Edge edge, EdgeAttributes attributes)
    {
        edge.IsNamed = attributes.IsComplete;
        edge.NamedIn = _generation;

        // A name that is late is asked for often at first, then as rarely as any other.
        edge.RenameAt = _now + (edge.IsNamed ? _renameInterval : Math.Min(_renameInterval, _now - edge.FirstSeenAt));
        return _selection.Apply(key, attributes);
    }

    private static void Join(ref Edge edge, RunningSeries series)
    {
        edge.Series = series;
        series.Edges++;
    }

    private void Leave(RunningSeries series, in EdgeTotals last)
    {
        series.AddOpen(-OpenOf(last));
        if (--series.Edges == 0)
        {
            series.LeftAt = _now;
        }
    }

    // Its name goes some time after the last list that had it: what is counted so late has none any more.
    private string DetectionName(uint number) => _detections?.Find((int)number)?.Name ?? Detections.OtherName;

    private static RunningSeries Resolve(RunningSeries series) => series.ForgottenFor ?? series;

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
        public RunningSeries? Series;
        public EdgeDetails? Details;
        public long FirstSeenAt;
        public long ChangedAt;
        public long SeenAt;
        public long RenameAt;
        public bool IsNamed;
        public uint NamedIn;
    }

    /// <summary>What only some edges have.</summary>
    private sealed class EdgeDetails
    {
        private FailureKind[] _failures = [];
        private (uint Number, ulong Count)[] _detections = [];

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

        public ref ulong Detections(uint number)
        {
            for (var i = 0; i < _detections.Length; i++)
            {
                if (_detections[i].Number == number)
                {
                    return ref _detections[i].Count;
                }
            }

            Array.Resize(ref _detections, _detections.Length + 1);
            _detections[^1].Number = number;
            return ref _detections[^1].Count;
        }

        public void AddTo(RunningSeries series, Func<uint, string> nameOf)
        {
            foreach (var (number, count) in _detections)
            {
                series.AddDetections(nameOf(number), count);
            }

            if (HasTimings)
            {
                series.AddTimings(Timings, default);
            }

            foreach (ref readonly var failure in _failures.AsSpan())
            {
                series.AddFailures(failure.Operation, ErrorType.Name(failure.Error), failure.Values, default);
            }
        }
    }

    private struct FailureKind
    {
        public SocketOperation Operation;
        public ushort Error;
        public EdgeFailures Values;
    }
}
