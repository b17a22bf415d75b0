using System.Diagnostics;
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

    /// <param name="ofSpans">Whether flows are spans as well, which their log records then belong to.</param>
    public OtlpLogs(OtlpSettings settings, ResourceBuilder resource, FlowAttributes attributes, OtlpDelivery delivery, bool ofSpans)
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
            options.SetResourceBuilder(resource).AddProcessor(new OfItsFlow(ofSpans)).AddProcessor(_batch)));
        _logger = _loggers.CreateLogger(OtlpMetrics.Scope);
    }

    public OtlpOutcome Send(ReadOnlyMemory<FlowRecord> records)
    {
        _sender.Begin();
        var isEmpty = true;
        foreach (ref readonly var record in records.Span)
        {
            if (FlowLogNames.EventName(record.Kind) is { } name)
            {
                isEmpty = false;
                var attributes = _attributes.Of(in record);
                _logger.Log(LogLevel.Information, new EventId(0, name), attributes, null, NoBody);
            }
        }

        if (isEmpty)
        {
            return OtlpOutcome.Delivered;
        }

        // The flush only starts it: it returns after a second, whether the request has ended or not.
        _batch.ForceFlush();
        return _sender.End();
    }

    public void Dispose()
    {
        _delivery.Dispose();
        _loggers.Dispose();
        _resource.Dispose();
    }

    private static string NoBody(FlowAttributeList attributes, Exception? failure) => "";

    /// <summary>Says of a log record what the library has no other way to be told.</summary>
    private sealed class OfItsFlow(bool ofSpans) : BaseProcessor<LogRecord>
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
                if (ofSpans)
                {
                    data.TraceId = ActivityTraceId.CreateFromString(attributes.FlowId);
                    data.SpanId = ActivitySpanId.CreateFromString(OtlpSpans.SpanIdOf(attributes.FlowId));
                    data.TraceFlags = ActivityTraceFlags.Recorded;
                }
            }
        }
    }

    /// <summary>Sends on the library's thread, and has the outcome for who waits for it.</summary>
    private sealed class Sender(OtlpLogExporter exporter, OtlpDelivery delivery) : BaseExporter<LogRecord>
    {
        private readonly ManualResetEventSlim _isSent = new();
        private OtlpOutcome _outcome = OtlpOutcome.Delivered;

        public void Begin() => _isSent.Reset();

        /// <summary>Waits for as long as the request may take.</summary>
        public OtlpOutcome End()
        {
            _isSent.Wait();
            return _outcome;
        }

        public override ExportResult Export(in Batch<LogRecord> batch)
        {
            _outcome = delivery.Send(exporter, batch);
            _isSent.Set();
            return _outcome.IsDelivered ? ExportResult.Success : ExportResult.Failure;
        }

        protected override void Dispose(bool disposing)
        {
            // Whoever still waits, at the end of the agent, is let go.
            _isSent.Set();
            base.Dispose(disposing);
        }
    }
}
