using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Sockwatch.Kernel;

namespace Sockwatch.Aggregation;

/// <summary>
/// The label sets and who of them is shown. Each metric has a budget of series; when it is used up the smallest label sets are
/// counted in the overflow series instead, also ones that were shown before, once others have become bigger. Places change
/// hands rarely: who has one keeps it until another is twice as big, by all that its edges have counted so far, so that it can
/// take only so many doublings to change hands again. Bounded besides: label sets that show nothing are kept while there are
/// edges of them, and only so many. Not thread-safe.
/// </summary>
internal sealed class SeriesTable
{
    private const int LeastWaiting = 1024;
    private const ulong Lead = 2;

    private readonly int _limit;
    private readonly int _histogramLimit;
    private readonly int _maxWaiting;
    private readonly Dictionary<EdgeAttributes, RunningSeries> _series = [];
    private readonly List<RunningSeries> _shown = [];
    private readonly List<RunningSeries> _waiting = [];
    private readonly RunningSeries _overflow;
    private readonly RunningSeries _retired;
    private PerMetric<long> _folded;
    private long _lastId;
    private int _sinceCheck;

    // What a label set must have counted to be kept waiting; 0 while there is room.
    private ulong _leastWeight;

    public SeriesTable(AggregationOptions options, DateTimeOffset now)
    {
        _limit = options.MaxSeries;
        _histogramLimit = Math.Min(options.MaxHistogramSeries, options.MaxSeries);
        _maxWaiting = Math.Max(LeastWaiting, options.MaxSeries);
        _overflow = new RunningSeries(++_lastId, EdgeAttributes.Overflow, now, overflow: null);
        _retired = new RunningSeries(++_lastId, EdgeAttributes.Overflow, now, overflow: null);
        _series.Add(EdgeAttributes.Overflow, _overflow);
    }

    public RunningSeries Overflow => _overflow;

    public int Count => _series.Count;

    /// <summary>All that was ever shown by series that have left.</summary>
    public TrafficSeries Retired => _retired.Snapshot();

    /// <param name="startedAt">When a new one was at zero.</param>
    public RunningSeries Of(EdgeAttributes attributes, DateTimeOffset startedAt)
    {
        if (!_series.TryGetValue(attributes, out var series))
        {
            // A flood of names within one collection must not be kept until its end.
            if (++_sinceCheck > _maxWaiting)
            {
                ForgetSmallest();
            }

            series = new RunningSeries(++_lastId, attributes, startedAt, _overflow);
            _series.Add(attributes, series);
        }

        return series;
    }

    /// <summary>Whether an edge that is counted in the overflow series may get a label set of its own: it would not be forgotten at once.</summary>
    public bool MayReturn(EdgeAttributes attributes, in EdgeTotals totals) =>
        RunningSeries.WeightOverallOf(totals) > _leastWeight || _series.ContainsKey(attributes);

    /// <summary>Retires what has had no edges for a while, then gives the places there are to the biggest.</summary>
    public void Settle(DateTimeOffset now, Func<RunningSeries, bool> isOver)
    {
        Retire(isOver);
        for (var metric = 0; metric < TrafficMetrics.Count; metric++)
        {
            Settle((TrafficMetric)metric, now);
        }

        foreach (var series in _series.Values)
        {
            var snapshot = series.Snapshot();
            var reported = MetricSet.None;
            for (var metric = 0; metric < TrafficMetrics.Count; metric++)
            {
                reported = snapshot.Has((TrafficMetric)metric) ? reported.With((TrafficMetric)metric) : reported;
            }

            series.Reported = reported;
        }

        ForgetSmallest();
    }

    /// <summary>The label sets that show something.</summary>
    public ImmutableArray<TrafficSeries> Snapshot()
    {
        var snapshot = ImmutableArray.CreateBuilder<TrafficSeries>(_series.Count);
        foreach (var series in _series.Values)
        {
            if (series.Reported != MetricSet.None)
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
                counts[metric] += one.Points((TrafficMetric)metric);
            }
        }

        return new SeriesBudget(_limit, ImmutableCollectionsMarshal.AsImmutableArray(counts), [.. (ReadOnlySpan<long>)_folded])
        {
            HistogramLimit = _histogramLimit,
        };
    }

    private void Retire(Func<RunningSeries, bool> isOver)
    {
        List<RunningSeries>? gone = null;
        foreach (var series in _series.Values)
        {
            if (series.Edges == 0 && !series.IsOverflow && (series.Reported == MetricSet.None || isOver(series)))
            {
                (gone ??= []).Add(series);
            }
        }

        foreach (var series in gone ?? [])
        {
            _series.Remove(series.Attributes);
            _retired.AddShown(series);
        }
    }

    private void Settle(TrafficMetric metric, DateTimeOffset now)
    {
        var limit = metric.IsHistogram() ? _histogramLimit : _limit;
        var used = OverflowPoints(metric);
        _shown.Clear();
        _waiting.Clear();
        foreach (var series in _series.Values)
        {
            if (series.Folded.Contains(metric))
            {
                if (series.Weight(metric) > 0)
                {
                    _waiting.Add(series);
                }
            }
            else if (!series.IsOverflow && series.Snapshot().Points(metric) is > 0 and var points)
            {
                used += points;
                _shown.Add(series);
            }
        }

        if (used > limit)
        {
            used = FoldSmallest(metric, used, limit);
        }

        if (_waiting.Count > 0)
        {
            GivePlaces(metric, limit - used, now);
        }
    }

    // Its place is kept free, or the first fold would need a second one.
    private int OverflowPoints(TrafficMetric metric) => Math.Max(1, _overflow.Snapshot().Points(metric));

    /// <summary>Folds until the rest fits, and returns how many series that is.</summary>
    private int FoldSmallest(TrafficMetric metric, int used, int limit)
    {
        _shown.Sort((left, right) => Claim(left, metric).CompareTo(Claim(right, metric)));
        var folded = 0;
        while (used > limit && folded < _shown.Count)
        {
            var overflowBefore = OverflowPoints(metric);
            while (used > limit && folded < _shown.Count)
            {
                used -= Fold(_shown[folded++], metric);
            }

            // What was folded may be of kinds that the overflow series did not have.
            used += OverflowPoints(metric) - overflowBefore;
        }

        _shown.RemoveRange(0, folded);
        return used;
    }

    private void GivePlaces(TrafficMetric metric, int room, DateTimeOffset now)
    {
        // Most often nothing changes hands, and then nothing need be sorted.
        var biggest = _waiting[0];
        var least = int.MaxValue;
        foreach (var candidate in _waiting)
        {
            biggest = candidate.Weight(metric) > biggest.Weight(metric) ? candidate : biggest;
            least = Math.Min(least, candidate.MostPoints(metric));
        }

        var isAnySmaller = false;
        foreach (var series in _shown)
        {
            isAnySmaller |= IsBigger(biggest, series, metric);
        }

        if (room < least && !isAnySmaller)
        {
            return;
        }

        _waiting.Sort((left, right) => right.Weight(metric).CompareTo(left.Weight(metric)));
        _shown.Sort((left, right) => left.Weight(metric).CompareTo(right.Weight(metric)));
        var displaced = 0;
        foreach (var candidate in _waiting)
        {
            var needed = candidate.MostPoints(metric);
            var last = displaced;
            var found = room;
            while (found < needed && last < _shown.Count && IsBigger(candidate, _shown[last], metric))
            {
                found += _shown[last++].Snapshot().Points(metric);
            }

            if (found < needed)
            {
                return;
            }

            for (; displaced < last; displaced++)
            {
                Fold(_shown[displaced], metric);
            }

            candidate.Unfold(metric, now);
            room = found - needed;
        }
    }

    private static bool IsBigger(RunningSeries candidate, RunningSeries shown, TrafficMetric metric) =>
        candidate.Weight(metric) / Lead > shown.Weight(metric);

    // One that nobody has seen yet has no place to keep.
    private static ulong Claim(RunningSeries series, TrafficMetric metric) =>
        series.Reported.Contains(metric) ? Math.Min(series.Weight(metric), ulong.MaxValue / Lead) * Lead : series.Weight(metric);

    private int Fold(RunningSeries series, TrafficMetric metric)
    {
        var points = series.Snapshot().Points(metric);
        series.Fold(metric);
        _folded[(int)metric]++;
        return points;
    }

    /// <summary>Of the label sets that show nothing, keeps those that are most likely to be shown one day.</summary>
    private void ForgetSmallest()
    {
        _sinceCheck = 0;
        _waiting.Clear();
        foreach (var series in _series.Values)
        {
            if (series.Reported == MetricSet.None && !series.IsOverflow)
            {
                _waiting.Add(series);
            }
        }

        if (_waiting.Count <= _maxWaiting)
        {
            _leastWeight = _waiting.Count < _maxWaiting / 2 ? 0 : _leastWeight;
            return;
        }

        // Not just the one too many, or it would be sorted for each.
        _waiting.Sort((left, right) => right.WeightOverall.CompareTo(left.WeightOverall));
        _leastWeight = _waiting[_maxWaiting / 2].WeightOverall;
        foreach (var series in _waiting.Skip(_maxWaiting / 2))
        {
            CountFolded(series);
            _series.Remove(series.Attributes);
            series.Forget();
        }
    }

    private void CountFolded(RunningSeries series)
    {
        var snapshot = series.Snapshot();
        for (var metric = 0; metric < TrafficMetrics.Count; metric++)
        {
            _folded[metric] += snapshot.Has((TrafficMetric)metric) ? 1 : 0;
        }
    }
}
