using System.Diagnostics;
using System.Runtime.CompilerServices;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters.Otlp;

/// <summary>
/// Makes one span of each ended flow and sends them. Its ids are those of the flow, so that its log records and those of
/// the other side's agents, should they be asked for, are found by them.
/// </summary>
internal sealed class OtlpSpans : IDisposable
{
    private const int SpanIdLength = 16;

    private readonly ActivitySource _source = new(OtlpMetrics.Scope, Diagnostics.BuildInfo.Current.Version);
    private readonly ActivityListener _listener;
    private readonly FlowAttributes _attributes;
    private readonly OtlpDelivery _delivery;
    private readonly OtlpTraceExporter _exporter;
    private readonly TracerProvider _resource;

    public OtlpSpans(OtlpSettings settings, ResourceBuilder resource, FlowAttributes attributes, OtlpDelivery delivery)
    {
        _attributes = attributes;
        _delivery = delivery;
        _exporter = new OtlpTraceExporter(settings.ToLibrary(delivery.Client));

        // Never traces: the exporter asks the provider it was given to about the resource.
        _resource = Sdk.CreateTracerProviderBuilder()
            .SetResourceBuilder(resource)
            .AddProcessor(new SimpleActivityExportProcessor(_exporter))
            .Build();
        _listener = new ActivityListener
        {
            ShouldListenTo = source => ReferenceEquals(source, _source),
            Sample = (ref _) => ActivitySamplingResult.AllDataAndRecorded,
        };
        ActivitySource.AddActivityListener(_listener);
    }

    /// <summary>The part of a flow's id that tells it from others of its node.</summary>
    public static string SpanIdOf(string flowId) => flowId[^SpanIdLength..];

    public OtlpOutcome Send(ReadOnlyMemory<FlowRecord> records)
    {
        var spans = new Activity[records.Length];
        for (var i = 0; i < spans.Length; i++)
        {
            spans[i] = SpanOf(in records.Span[i]);
        }

        return _delivery.Send(_exporter, new Batch<Activity>(spans, spans.Length));
    }

    public void Dispose()
    {
        _delivery.Dispose();
        _listener.Dispose();
        _source.Dispose();
        _resource.Dispose();
    }

    private Activity SpanOf(in FlowRecord record)
    {
        var isServer = record.Edge.Role == NetworkRole.Server;
        var span = _source.CreateActivity("flow", isServer ? ActivityKind.Server : ActivityKind.Client)!;
        var id = _attributes.FlowId(in record);
        TraceId(span) = id;
        SpanId(span) = SpanIdOf(id);
        span.DisplayName = $"{TransportProtocol.Name(record.Edge.Transport)} {(isServer ? "accept" : "connect")}";

        // A failed connect began when it was tried, which is as long ago as it took.
        var startedAt = record.StartedAtNs != 0 ? record.StartedAtNs : record.AtNs - Math.Min(record.AtNs, record.ConnectDurationNs);
        span.SetStartTime(_attributes.Time(startedAt));
        span.SetEndTime(_attributes.Time(Math.Max(startedAt + 100, record.AtNs)));
        foreach (var (name, value) in _attributes.Of(in record))
        {
            span.SetTag(name, value);
        }

        if (record.Error != 0)
        {
            span.SetStatus(ActivityStatusCode.Error, ErrorType.Name(record.Error));
        }

        return span;
    }

    // .NET gives no way to choose a span's id; it is drawn when the activity starts, which these never do.
    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_traceId")]
    private static extern ref string? TraceId(Activity activity);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_spanId")]
    private static extern ref string? SpanId(Activity activity);
}
