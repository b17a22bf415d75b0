using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Logs;
using OpenTelemetry.Resources;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters.Otlp;

/// <summary>Makes log records of flow records and sends them. The library only takes them through a logger, one by one.</summary>
internal sealed class OtlpLogs : IDisposable
{
    // More than a batch: the library's own queue is never what limits.
    private const int LibraryQueue = 4096;
    private const int Never = int.MaxValue;

    private readonly FlowAttributes _attributes;
    private readonly OtlpDelivery _delivery;
    private readonly Sender _sender;
    private readonly BatchLogRecordExportProcessor _batch;
    private readonly ILoggerFactory _loggers;
    private readonly ILoggerFactory _resource;
    private readonly ILogger _logger;

    public OtlpLogs(OtlpSettings settings, ResourceBuilder resource, FlowAttributes attributes, OtlpDelivery delivery)
    {
        _attributes = attributes;
        _delivery = delivery;
        var exporter = new OtlpLogExporter(settings.ToLibrary(delivery.Client));
        _sender = new Sender(exporter, delivery);
        _batch = new BatchLogRecordExportProcessor(_sender, LibraryQueue, Never, Never, LibraryQueue);

        // Never logs: the exporter asks the provider it was given to about the resource.
        _resource = LoggerFactory.Create(logging => logging.AddOpenTelemetry(options =>
            options.SetResourceBuilder(resource).AddProcessor(new SimpleLogRecordExportProcessor(exporter))));
        _resource.CreateLogger(OtlpMetrics.Scope);
        _loggers = LoggerFactory.Create(logging => logging.AddOpenTelemetry(options =>
            options.SetResourceBuilder(resource).AddProcessor(new WhenItHappened()).AddProcessor(_batch)));
        _logger = _loggers.CreateLogger(OtlpMetrics.Scope);
    }

    public OtlpOutcome Send(ReadOnlyMemory<FlowRecord> records)
    {
        _sender.Outcome = OtlpOutcome.Delivered;
        foreach (ref readonly var record in records.Span)
        {
            if (FlowLogNames.EventName(record.Kind) is { } name)
            {
                var attributes = _attributes.Of(in record);
                _logger.Log(LogLevel.Information, new EventId(0, name), attributes, null, NoBody);
            }
        }

        _batch.ForceFlush();
        return _sender.Outcome;
    }

    public void Dispose()
    {
        _delivery.Dispose();
        _loggers.Dispose();
        _resource.Dispose();
    }

    private static string NoBody(FlowAttributeList attributes, Exception? failure) => "";

    private sealed class WhenItHappened : BaseProcessor<LogRecord>
    {
        public override void OnEnd(LogRecord data)
        {
            if (data.Attributes is FlowAttributeList attributes)
            {
                data.Timestamp = attributes.At;
                data.ObservedTimestamp = DateTime.UtcNow;

                // Empty, which on the wire is not the empty text that the logger made of it.
                data.FormattedMessage = null;
                data.Body = null;
            }
        }
    }

    private sealed class Sender(OtlpLogExporter exporter, OtlpDelivery delivery) : BaseExporter<LogRecord>
    {
        public OtlpOutcome Outcome { get; set; } = OtlpOutcome.Delivered;

        public override ExportResult Export(in Batch<LogRecord> batch)
        {
            if (batch.Count == 0)
            {
                return ExportResult.Success;
            }

            Outcome = delivery.Send(exporter, batch, mayRepeat: false);
            return Outcome.IsDelivered ? ExportResult.Success : ExportResult.Failure;
        }
    }
}
