using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;
using Sockwatch.Payload;

namespace Sockwatch.Exporters.Otlp;

/// <summary>Pushes flow records as log records, as spans, or as both; each with a queue and a thread of its own.</summary>
internal sealed class OtlpFlows : IFlowExporter, IHostedService, IDisposable
{
    private readonly StopDeadline _deadline;
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
        TimeProvider time,
        IOptions<OtlpOptions> options,
        IConfiguration configuration,
        ILogger<OtlpFlows> logger,
        FlowPayloads? payloads = null,
        StopDeadline? deadline = null)
    {
        _deadline = deadline ?? new StopDeadline();
        _choice = options.Value.FlowChoice();
        var attributes = new FlowAttributes(naming, clock, identity, payloads);
        var resource = OtlpSettings.Resource(options.Value, build, Environment.GetEnvironmentVariable);
        if (OtlpSettings.IsOn(OtlpSignal.Logs, options.Value, configuration))
        {
            var settings = OtlpSettings.Of(OtlpSignal.Logs, options.Value, configuration);
            var delivery = new OtlpDelivery(settings, failures, logger);
            var logs = new OtlpLogs(
                settings, resource, attributes, delivery, OtlpSettings.IsOn(OtlpSignal.Traces, options.Value, configuration));
            _logs = new FlowPusher(LossLedger.OtlpLogsStage, options.Value.QueueLength, logs.Send, delivery.Tell, losses, time);
            _owned.AddRange([_logs, logs]);
        }

        if (OtlpSettings.IsOn(OtlpSignal.Traces, options.Value, configuration))
        {
            var settings = OtlpSettings.Of(OtlpSignal.Traces, options.Value, configuration);
            var delivery = new OtlpDelivery(settings, failures, logger);
            var spans = new OtlpSpans(settings, resource, attributes, delivery);
            _spans = new FlowPusher(LossLedger.OtlpSpansStage, options.Value.QueueLength, spans.Send, delivery.Tell, losses, time);
            _owned.AddRange([_spans, spans]);
        }
    }

    public FlowPusher? Logs => _logs;

    public FlowPusher? Spans => _spans;

    public void OnRecord(in FlowRecord record)
    {
        if (_logs is not null && _choice.WantsRecord(in record))
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

    public Task StopAsync(CancellationToken cancellationToken)
    {
        var patience = _deadline.Patience(StopDeadline.AfterRecords);
        return Task.WhenAll(_logs?.StopAsync(patience) ?? Task.CompletedTask, _spans?.StopAsync(patience) ?? Task.CompletedTask);
    }

    public void Dispose() => _owned.ForEach(owned => owned.Dispose());
}
