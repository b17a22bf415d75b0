using System.Collections.Immutable;
using OpenTelemetry.Resources;
using Sockwatch.Aggregation;

namespace Sockwatch.Exporters.Otlp;

/// <summary>The metrics of edges. Keeps each series in a group for as long as it is in the report.</summary>
internal sealed class OtlpTraffic(ResourceBuilder resource, Func<OtlpMetricSender> sender, OtlpTemporality temporality) : IDisposable
{
    // A group with fewer series left than this share of its places is dissolved, or few long-lived series would keep many groups.
    private const int LeastShare = 4;

    private readonly List<OtlpSeriesGroup> _groups = [];
    private readonly Dictionary<long, OtlpSeries> _series = [];
    private readonly HashSet<long> _present = [];

    public int Groups => _groups.Count;

    public void Publish(ImmutableArray<TrafficSeries> report)
    {
        _present.Clear();
        foreach (var series in report)
        {
            _present.Add(series.Id);
        }

        // First out, then in: a series that left and came back has the same names.
        RemoveGone();
        Dissolve();
        foreach (var series in report)
        {
            if (!_series.TryGetValue(series.Id, out var known))
            {
                known = Add(series, shown: null);
            }

            known.Update(series);
        }

        foreach (var group in _groups)
        {
            group.Collect();
        }
    }

    public void Dispose() => _groups.ForEach(group => group.Dispose());

    private OtlpSeries Add(TrafficSeries series, TrafficSeries? shown)
    {
        var group = _groups.Find(group => group.TryAdd(series, shown));
        if (group is null)
        {
            _groups.Add(group = new OtlpSeriesGroup(resource, sender(), temporality));
            group.TryAdd(series, shown);
        }

        var added = group[series.Id];
        _series[series.Id] = added;
        return added;
    }

    private void RemoveGone()
    {
        foreach (var (id, series) in _series)
        {
            if (!_present.Contains(id))
            {
                series.Group.Remove(id);
                _series.Remove(id);
            }
        }

        foreach (var group in _groups.Where(group => group.Live == 0))
        {
            group.Dispose();
        }

        _groups.RemoveAll(group => group.Live == 0);
    }

    private void Dissolve()
    {
        var sparse = _groups.Where(group => group.IsFull && group.Live <= OtlpSeriesGroup.MaxSeries / LeastShare).ToList();
        foreach (var group in sparse)
        {
            _groups.Remove(group);
            foreach (var series in group.Series)
            {
                // Totals go on as they are; differences must not begin with the whole total again.
                var last = series.Now;
                Add(last, temporality == OtlpTemporality.Delta ? last : null).GoOnFrom(last);
            }

            group.Dispose();
        }
    }
}
