using Prometheus;

namespace Sockwatch.Exporters;

/// <summary>Makes the library's collectors from the catalogue.</summary>
internal sealed class PrometheusFamilies(CollectorRegistry registry, bool withPeerAddress)
{
    // The library would otherwise take the trace that happens to be current, such as the scrape's own, for an exemplar.
    private static readonly ExemplarBehavior None = ExemplarBehavior.NoExemplars();

    private readonly MetricFactory _factory = Metrics.WithCustomRegistry(registry);

    public Counter Counter(MetricDefinition metric) => _factory.CreateCounter(
        metric.PrometheusName,
        metric.Help,
        metric.PrometheusLabels(withPeerAddress),
        new CounterConfiguration { ExemplarBehavior = None });

    public Gauge Gauge(MetricDefinition metric) =>
        _factory.CreateGauge(metric.PrometheusName, metric.Help, metric.PrometheusLabels(withPeerAddress));

    public Histogram Histogram(MetricDefinition metric) => _factory.CreateHistogram(
        metric.PrometheusName,
        metric.Help,
        metric.PrometheusLabels(withPeerAddress),
        new HistogramConfiguration { Buckets = [.. metric.Buckets], ExemplarBehavior = None });
}
