using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Options;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters;

/// <summary>
/// Renders a report as a page for Prometheus, straight from totals: nothing is kept per series, a histogram is the kernel's own to
/// the nanosecond, and what left the report is simply not written. One page at a time, into the caller's buffer and never straight
/// into a connection, so that a slow reader holds up nobody.
/// </summary>
internal sealed class PrometheusExporter : IDisposable
{
    private readonly SemaphoreSlim _rendering = new(1, 1);
    private readonly ScrapeCost _cost;
    private readonly SelfMetrics _self;
    private readonly EdgeLabels _edge;
    private readonly ExpositionWriter _writer;
    private readonly Dictionary<MetricDefinition, List<SelfSample>> _samples = new(ReferenceEqualityComparer.Instance);

    public PrometheusExporter(
        BuildInfo build, ExportFailures failures, ScrapeCost? cost = null, IOptions<AggregationOptions>? options = null, ApiLedger? kubernetes = null,
        BackendLedger? backends = null)
    {
        _cost = cost ?? new ScrapeCost();
        _self = new SelfMetrics(build, failures, _cost, kubernetes ?? new ApiLedger(), backends ?? new BackendLedger());
        _edge = new EdgeLabels(options?.Value ?? new AggregationOptions());
        _writer = new ExpositionWriter(_edge);
    }

    public async Task RenderAsync(TrafficReport report, Stream page, ExpositionFormat format, CancellationToken cancellation, bool gzip = false)
    {
        await _rendering.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            var startedAt = Stopwatch.GetTimestamp();
            using var lines = new LineCounter(page, gzip);
            _writer.Begin(lines, format);
            for (var index = 0; index < TrafficMetrics.Count; index++)
            {
                cancellation.ThrowIfCancellationRequested();
                Write((TrafficMetric)index, report);
            }

            WriteSelf(report);
            _writer.End();
            await lines.CompleteAsync().ConfigureAwait(false);
            _cost.Last = new ScrapeCost.Scrape(Stopwatch.GetElapsedTime(startedAt), lines.Length, lines.Samples);
        }
        finally
        {
            _rendering.Release();
        }
    }

    public void Dispose() => _rendering.Dispose();

    private void Write(TrafficMetric metric, TrafficReport report)
    {
        var points = new PointWriter(_writer, metric);
        _writer.BeginFamily(MetricCatalogue.Of(metric));
        foreach (var series in report.Series)
        {
            if (series.Has(metric))
            {
                _writer.BeginEdge(series.Attributes);
                series.Visit(ref points);
            }
        }
    }

    private void WriteSelf(TrafficReport report)
    {
        // The format wants the samples of a metric together.
        foreach (var sample in _self.Of(report))
        {
            ref var samples = ref CollectionsMarshal.GetValueRefOrAddDefault(_samples, sample.Metric, out _);
            (samples ??= []).Add(sample);
        }

        foreach (var metric in MetricCatalogue.All)
        {
            if (!metric.IsOfEdge)
            {
                _writer.BeginFamily(metric);
                foreach (var sample in _samples.GetValueOrDefault(metric) ?? [])
                {
                    _writer.BeginSelf();
                    _writer.Number(sample.Value, sample.Attributes);
                }
            }
        }

        foreach (var samples in _samples.Values)
        {
            samples.Clear();
        }
    }

    /// <summary>Of all the points of a series, those of one metric.</summary>
    private readonly struct PointWriter(ExpositionWriter writer, TrafficMetric wanted) : ITrafficPoints
    {
        public void Count(TrafficMetric metric, ulong total, string first, string second)
        {
            if (metric == wanted)
            {
                writer.Whole(unchecked((long)total), first, second);
            }
        }

        public void Level(TrafficMetric metric, long now)
        {
            if (metric == wanted)
            {
                writer.Whole(now);
            }
        }

        public void Time(TrafficMetric metric, in Latency total, string first)
        {
            if (metric == wanted)
            {
                writer.Histogram(total, first);
            }
        }
    }
}
