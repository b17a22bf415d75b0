using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Sockwatch.Aggregation;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters.Otlp;

/// <summary>
/// What a receiver was told of last, so that it can be told what is no more: by a point without a value, which ends a series
/// where it is stored. On a page a series ends by not being there; pushed, it would stand in every sum for as long as queries
/// look back. Only what a receiver has taken counts as told, and all that is kept are references to the series of one report.
/// </summary>
internal sealed class OtlpDepartures
{
    private readonly Dictionary<long, (TrafficSeries Series, long Push)> _told = [];
    private readonly Dictionary<(MetricDefinition Metric, string Attributes), (SelfSample Sample, long Push)> _toldSelf = [];
    private readonly List<TrafficSeries> _gone = [];
    private long _push;

    /// <summary>How many series are remembered.</summary>
    public int Count => _told.Count;

    public void Begin() => _push++;

    /// <summary>What the receiver has of a series that is in this push; null when it has nothing that the series has no more.</summary>
    public TrafficSeries? Seen(TrafficSeries now)
    {
        ref var told = ref CollectionsMarshal.GetValueRefOrNullRef(_told, now.Id);
        if (Unsafe.IsNullRef(ref told))
        {
            return null;
        }

        told.Push = _push;
        return !ReferenceEquals(told.Series, now) && HasLost(told.Series, now) ? told.Series : null;
    }

    /// <summary>Series that were not seen in this push; to be asked for at its end.</summary>
    public IReadOnlyList<TrafficSeries> Gone()
    {
        _gone.Clear();
        foreach (var (series, push) in _told.Values)
        {
            if (push != _push)
            {
                _gone.Add(series);
            }
        }

        return _gone;
    }

    /// <summary>The agent's own gauges that were not seen; others never leave.</summary>
    public IReadOnlyList<SelfSample> GoneSelf() => [.. _toldSelf.Values.Where(told => told.Push != _push).Select(told => told.Sample)];

    public void SeenSelf(in SelfSample sample)
    {
        ref var told = ref CollectionsMarshal.GetValueRefOrNullRef(_toldSelf, KeyOf(sample));
        if (!Unsafe.IsNullRef(ref told))
        {
            told.Push = _push;
        }
    }

    public void Told(TrafficSeries series) => _told[series.Id] = (series, _push);

    public void ToldSelf(in SelfSample sample) => _toldSelf[KeyOf(sample)] = (sample, _push);

    public void ToldEnd(TrafficSeries series) => _told.Remove(series.Id);

    public void ToldEndSelf(in SelfSample sample) => _toldSelf.Remove(KeyOf(sample));

    private static (MetricDefinition Metric, string Attributes) KeyOf(in SelfSample sample) => (sample.Metric, string.Join('\0', sample.Attributes));

    private static bool HasLost(TrafficSeries before, TrafficSeries now)
    {
        for (var index = 0; index < TrafficMetrics.Count; index++)
        {
            var metric = (TrafficMetric)index;
            if (before.Has(metric) && (now.Points(metric) < before.Points(metric) || now.StartedAt(metric) != before.StartedAt(metric)))
            {
                return true;
            }
        }

        return false;
    }
}

/// <summary>Ends the points of a series but for those that another, which has its attributes, goes on with.</summary>
internal readonly struct EndWriter(OtlpMetricRequest request, TrafficSeries ended, TrafficSeries? successor, DateTimeOffset at, bool onlyLevels) : ITrafficPoints
{
    public void Count(TrafficMetric metric, ulong total, string first, string second)
    {
        if (!onlyLevels && !GoesOn(metric, first, second))
        {
            request.End(MetricCatalogue.Of(metric), ended.StartedAt(metric), at, first, second);
        }
    }

    public void Level(TrafficMetric metric, long now)
    {
        if (!GoesOn(metric, "", ""))
        {
            request.End(MetricCatalogue.Of(metric), ended.StartedAt(metric), at);
        }
    }

    public void Time(TrafficMetric metric, in Latency total, string first) => Count(metric, total.Count, first, "");

    private bool GoesOn(TrafficMetric metric, string first, string second)
    {
        var finder = new Finder(metric, first, second);
        successor?.Visit(ref finder);
        return finder.IsFound;
    }

    private struct Finder(TrafficMetric wanted, string wantedFirst, string wantedSecond) : ITrafficPoints
    {
        public bool IsFound { get; private set; }

        public void Count(TrafficMetric metric, ulong total, string first, string second) =>
            IsFound |= metric == wanted && first == wantedFirst && second == wantedSecond;

        public void Level(TrafficMetric metric, long now) => Count(metric, 0, "", "");

        public void Time(TrafficMetric metric, in Latency total, string first) => Count(metric, 0, first, "");
    }
}
