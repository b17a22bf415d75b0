using Microsoft.Extensions.Options;
using Prometheus;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;

namespace Sockwatch.Exporters;

/// <summary>
/// Renders a report as a page for Prometheus. One page at a time, into the caller's buffer and never straight into a connection,
/// so that a page is of one report and a slow reader holds up nobody.
/// </summary>
internal sealed class PrometheusExporter : IDisposable
{
    private readonly CollectorRegistry _registry = Metrics.NewCustomRegistry();
    private readonly SemaphoreSlim _rendering = new(1, 1);
    private readonly PrometheusTraffic _traffic;
    private readonly PrometheusSelf _self;

    public PrometheusExporter(BuildInfo build, ExportFailures failures, IOptions<AggregationOptions>? options = null)
    {
        var withPeerAddress = options?.Value is { PeerAddressBits4: > 0 } or { PeerAddressBits6: > 0 };
        var families = new PrometheusFamilies(_registry, withPeerAddress);
        _traffic = new PrometheusTraffic(families, withPeerAddress);
        _self = new PrometheusSelf(families, build, failures);
    }

    public async Task RenderAsync(TrafficReport report, Stream page, ExpositionFormat format, CancellationToken cancellation)
    {
        await _rendering.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            _traffic.Publish(report.Series);
            _self.Publish(report);
            await _registry.CollectAndExportAsTextAsync(page, format, cancellation).ConfigureAwait(false);
        }
        finally
        {
            _rendering.Release();
        }
    }

    public void Dispose() => _rendering.Dispose();
}
