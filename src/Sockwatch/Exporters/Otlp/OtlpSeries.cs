using Sockwatch.Aggregation;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters.Otlp;

/// <summary>One series in a group.</summary>
/// <param name="shown">What another group has shown as differences already, and this one must not show again; null when nothing.</param>
internal sealed class OtlpSeries(OtlpSeriesGroup group, TrafficSeries series, TrafficSeries? shown)
{
    private readonly Dictionary<(MetricDefinition Metric, string Error), HistogramFeed> _feeds = [];
    private TrafficSeries? _fed;

    public TrafficSeries Now { get; private set; } = series;

    public OtlpSeriesGroup Group => group;

    public EdgeTotals Growth => shown is null ? Now.Totals : Now.Totals - shown.Totals;

    public ulong ShownFailures(TrafficFailures failures)
    {
        foreach (var one in shown?.Failures ?? [])
        {
            if (one.Operation == failures.Operation && one.ErrorType == failures.ErrorType)
            {
                return one.Count;
            }
        }

        return 0;
    }

    public void Update(TrafficSeries now)
    {
        if (ReferenceEquals(now, _fed))
        {
            return;
        }

        Now = now;
        _fed = now;
        if (now.Timings is { } timings)
        {
            Feed(MetricCatalogue.ConnectDuration, timings.Connect, "");
            Feed(MetricCatalogue.ConnectionDuration, timings.Connection, "");
            Feed(MetricCatalogue.TcpRtt, timings.Rtt, "");
        }

        foreach (var failures in now.Failures)
        {
            if (failures.HasDuration)
            {
                Feed(MetricCatalogue.ConnectDuration, failures.Duration, failures.ErrorType);
            }
        }
    }

    /// <summary>A group that takes over begins its histograms anew, where the last one ended: the library cannot be given a total.</summary>
    public void GoOnFrom(TrafficSeries last)
    {
        if (last.Timings is { } timings)
        {
            Skip(MetricCatalogue.ConnectDuration, timings.Connect, "");
            Skip(MetricCatalogue.ConnectionDuration, timings.Connection, "");
            Skip(MetricCatalogue.TcpRtt, timings.Rtt, "");
        }

        foreach (var failures in last.Failures)
        {
            if (failures.HasDuration)
            {
                Skip(MetricCatalogue.ConnectDuration, failures.Duration, failures.ErrorType);
            }
        }

        _fed = last;
    }

    private void Feed(MetricDefinition metric, in Latency total, string error)
    {
        if (total.Count > 0)
        {
            FeedOf(metric, error).Feed(total);
        }
    }

    private void Skip(MetricDefinition metric, in Latency total, string error)
    {
        if (total.Count > 0)
        {
            FeedOf(metric, error).Skip(total);
        }
    }

    private HistogramFeed FeedOf(MetricDefinition metric, string error)
    {
        if (!_feeds.TryGetValue((metric, error), out var feed))
        {
            _feeds.Add((metric, error), feed = group.Feed(metric, Now.Attributes, error));
        }

        return feed;
    }
}
