using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters.Otlp;

/// <summary>Pushes flow records as log records, as spans, or as both; each with a queue and a thread of its own.</summary>
internal sealed class OtlpFlows : IFlowExporter, IHostedService, IDisposable
{
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(2);

    private readonly FlowChoice _choice;
    private readonly FlowPusher? _logs;
    private readonly FlowPusher? _spans;
    private readonly List<IDisposable> _owned = [];

    public OtlpFlows(
        IFlowNaming naming,
        BootClock clock,
        FlowLogIdentity identity,
        LossLedger losses,
        ExportFailures failures,
        BuildInfo build,
        IOptions<OtlpOptions> options,
        IConfiguration configuration,
        ILogger<OtlpFlows> logger)
    {
        _choice = new FlowChoice(options.Value);
        var attributes = new FlowAttributes(naming, clock, identity);
        var resource = OtlpSettings.Resource(options.Value, build, Environment.GetEnvironmentVariable);
        if (OtlpSettings.IsOn(OtlpSignal.Logs, options.Value, configuration))
        {
            var settings = OtlpSettings.Of(OtlpSignal.Logs, options.Value, configuration);
            var logs = new OtlpLogs(settings, resource, attributes, new OtlpDelivery(settings, failures, logger));
            _logs = new FlowPusher(LossLedger.OtlpLogsStage, options.Value.QueueLength, logs.Send, losses);
            _owned.AddRange([_logs, logs]);
        }

        if (OtlpSettings.IsOn(OtlpSignal.Traces, options.Value, configuration))
        {
            var settings = OtlpSettings.Of(OtlpSignal.Traces, options.Value, configuration);
            var spans = new OtlpSpans(settings, resource, attributes, new OtlpDelivery(settings, failures, logger));
            _spans = new FlowPusher(LossLedger.OtlpSpansStage, options.Value.QueueLength, spans.Send, losses);
            _owned.AddRange([_spans, spans]);
        }
    }

    public FlowPusher? Logs => _logs;

    public FlowPusher? Spans => _spans;

    public void OnRecord(in FlowRecord record)
    {
        if (_logs is not null && _choice.WantsLog(in record))
        {
            _logs.OnRecord(in record);
        }

        if (_spans is not null && _choice.WantsSpan(in record))
        {
            _spans.OnRecord(in record);
        }
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _logs?.Start();
        _spans?.Start();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.WhenAll(
        _logs?.StopAsync(StopPatience) ?? Task.CompletedTask, _spans?.StopAsync(StopPatience) ?? Task.CompletedTask);

    public void Dispose() => _owned.ForEach(owned => owned.Dispose());
}
