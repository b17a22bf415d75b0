using System.Collections.Immutable;
using Sockwatch.Aggregation;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters.Otlp;

/// <summary>
/// One ExportMetricsServiceRequest in the making, straight from totals: nothing is kept per series, a histogram is the kernel's
/// own to the nanosecond, and what left the report is simply not written. Field numbers are those of opentelemetry/proto, metrics/v1.
/// </summary>
internal sealed class OtlpMetricRequest
{
    private const int NumberAttributes = 7;
    private const int HistogramAttributes = 9;
    private const ulong DeltaTemporality = 1;
    private const ulong CumulativeTemporality = 2;
    private const double NsPerSecond = 1e9;

    // DataPointFlags
    private const ulong NoRecordedValue = 1;
    private const int NumberFlags = 8;
    private const int HistogramFlags = 10;
    private const int FlagsLength = 2;

    private readonly EdgeLabels _edge;
    private readonly ulong _temporality;
    private readonly ProtobufBuffer _resource = new();
    private readonly ProtobufBuffer _scope = new();
    private readonly Dictionary<MetricDefinition, ProtobufBuffer> _points = new(ReferenceEqualityComparer.Instance);
    private readonly ProtobufBuffer _number = new();
    private readonly ProtobufBuffer _histogram = new();
    private readonly ProtobufBuffer _own = new();
    private readonly ProtobufBuffer _pair = new();
    private readonly ProtobufBuffer _value = new();
    private readonly ProtobufBuffer _data = new();
    private readonly ProtobufBuffer _metric = new();
    private readonly ProtobufBuffer _scopeMetrics = new();
    private readonly ProtobufBuffer _resourceMetrics = new();
    private readonly ProtobufBuffer _request = new();

    public OtlpMetricRequest(
        IEnumerable<KeyValuePair<string, object>> resource, string scope, string version, EdgeLabels edge, OtlpTemporality temporality)
    {
        _edge = edge;
        _temporality = temporality == OtlpTemporality.Delta ? DeltaTemporality : CumulativeTemporality;
        foreach (var (name, value) in resource)
        {
            Attribute(_resource, 1, name, value.ToString() ?? "");
        }

        _scope.Text(1, scope);
        _scope.Text(2, version);
    }

    /// <summary>Bytes of the points so far; what comes around them is small and the same for each request.</summary>
    public int Size { get; private set; }

    public bool IsEmpty => Size == 0;

    public void Clear()
    {
        foreach (var points in _points.Values)
        {
            points.Clear();
        }

        Size = 0;
    }

    /// <summary>The points that follow are of this edge. What is absent is left out, which Prometheus reads as the empty label.</summary>
    public void BeginEdge(EdgeAttributes edge)
    {
        _number.Clear();
        _histogram.Clear();
        for (var i = 0; i < _edge.Names.Length; i++)
        {
            if (_edge.Value(edge, i) is { Length: > 0 } value)
            {
                Attribute(_number, NumberAttributes, _edge.Names[i], value);
                Attribute(_histogram, HistogramAttributes, _edge.Names[i], value);
            }
        }
    }

    /// <summary>The points that follow are of no edge.</summary>
    public void BeginSelf()
    {
        _number.Clear();
        _histogram.Clear();
    }

    /// <summary>A whole number, or seconds where the metric's unit is that.</summary>
    public void Number(MetricDefinition metric, double value, DateTimeOffset start, DateTimeOffset time, params ReadOnlySpan<string> own)
    {
        var points = BeginNumber(metric, start, time, own, ProtobufBuffer.FixedFieldLength);
        if (metric.Unit == "s")
        {
            points.Double(4, value);
        }
        else
        {
            points.Fixed64(6, unchecked((ulong)(long)value));
        }

        Size += points.Length;
    }

    public void Whole(MetricDefinition metric, long value, DateTimeOffset start, DateTimeOffset time, params ReadOnlySpan<string> own)
    {
        var points = BeginNumber(metric, start, time, own, ProtobufBuffer.FixedFieldLength);
        points.Fixed64(6, unchecked((ulong)value));
        Size += points.Length;
    }

    public void Histogram(MetricDefinition metric, in Latency total, DateTimeOffset start, DateTimeOffset time, params ReadOnlySpan<string> own) =>
        Size += BeginHistogram(metric, total, start, time, own, more: 0).Length;

    /// <summary>A point without a value: the series is no more. Whoever takes a histogram apart needs its buckets for that.</summary>
    public void End(MetricDefinition metric, DateTimeOffset start, DateTimeOffset time, params ReadOnlySpan<string> own)
    {
        ProtobufBuffer points;
        if (metric.Kind == MetricKind.Histogram)
        {
            points = BeginHistogram(metric, default, start, time, own, FlagsLength);
            points.VarInt(HistogramFlags, NoRecordedValue);
        }
        else
        {
            points = BeginNumber(metric, start, time, own, FlagsLength);
            points.VarInt(NumberFlags, NoRecordedValue);
        }

        Size += points.Length;
    }

    /// <summary>The whole message; valid until the next call of anything here.</summary>
    public ReadOnlyMemory<byte> Complete()
    {
        _scopeMetrics.Clear();
        _scopeMetrics.Message(1, _scope);
        foreach (var (definition, points) in _points)
        {
            if (points.Length > 0)
            {
                Metric(definition, points);
                _scopeMetrics.Message(2, _metric);
            }
        }

        _resourceMetrics.Clear();
        _resourceMetrics.Message(1, _resource);
        _resourceMetrics.Message(2, _scopeMetrics);
        _request.Clear();
        _request.Message(1, _resourceMetrics);
        return _request.Written;
    }

    private void Metric(MetricDefinition definition, ProtobufBuffer points)
    {
        _data.Clear();
        _data.Raw(points.Written.Span);
        var field = 5;
        if (definition.Kind != MetricKind.Gauge)
        {
            // What can go down has no differences that a receiver could add up without having seen them all.
            field = definition.Kind == MetricKind.Histogram ? 9 : 7;
            _data.VarInt(2, definition.Kind == MetricKind.UpDownCounter ? CumulativeTemporality : _temporality);
        }

        if (definition.Kind == MetricKind.Counter)
        {
            _data.VarInt(3, 1);
        }

        _metric.Clear();
        _metric.Text(1, definition.Name);
        _metric.Text(2, definition.Help);
        _metric.Text(3, definition.Unit);
        _metric.Message(field, _data);
    }

    /// <param name="more">Length of what the caller writes next.</param>
    private ProtobufBuffer BeginHistogram(
        MetricDefinition metric, in Latency total, DateTimeOffset start, DateTimeOffset time, ReadOnlySpan<string> own, int more)
    {
        OwnAttributes(metric, HistogramAttributes, own);
        var bounds = metric.Buckets.AsSpan();
        var points = PointsOf(metric);
        Size -= points.Length;
        points.Head(1, more + _histogram.Length + _own.Length + (4 * ProtobufBuffer.FixedFieldLength)
            + ProtobufBuffer.LengthOf(LatencyBuckets.Length * sizeof(ulong)) + ProtobufBuffer.LengthOf(bounds.Length * sizeof(double)));
        points.Raw(_histogram.Written.Span);
        points.Raw(_own.Written.Span);
        points.Fixed64(2, UnixNs(start));
        points.Fixed64(3, UnixNs(time > start ? time : start));
        points.Fixed64(4, total.Count);
        points.Double(5, total.SumNs / NsPerSecond);
        points.Packed(6, (ReadOnlySpan<ulong>)total.Buckets);
        points.Packed(7, bounds);
        return points;
    }

    /// <param name="more">Length of what the caller writes next.</param>
    private ProtobufBuffer BeginNumber(MetricDefinition metric, DateTimeOffset start, DateTimeOffset time, ReadOnlySpan<string> own, int more)
    {
        OwnAttributes(metric, NumberAttributes, own);
        var points = PointsOf(metric);
        Size -= points.Length;
        var hasStart = metric.Kind != MetricKind.Gauge;
        points.Head(1, _number.Length + _own.Length + more + ((hasStart ? 2 : 1) * ProtobufBuffer.FixedFieldLength));
        points.Raw(_number.Written.Span);
        points.Raw(_own.Written.Span);
        if (hasStart)
        {
            points.Fixed64(2, UnixNs(start));
        }

        points.Fixed64(3, UnixNs(!hasStart || time > start ? time : start));
        return points;
    }

    private void OwnAttributes(MetricDefinition metric, int field, ReadOnlySpan<string> own)
    {
        _own.Clear();
        for (var i = 0; i < own.Length; i++)
        {
            if (own[i].Length > 0)
            {
                Attribute(_own, field, metric.Attributes[i], own[i]);
            }
        }
    }

    private ProtobufBuffer PointsOf(MetricDefinition metric)
    {
        if (!_points.TryGetValue(metric, out var points))
        {
            _points.Add(metric, points = new ProtobufBuffer());
        }

        return points;
    }

    /// <summary>KeyValue with an AnyValue that is text.</summary>
    private void Attribute(ProtobufBuffer buffer, int field, string name, string value)
    {
        _value.Clear();
        _value.Text(1, value);
        _pair.Clear();
        _pair.Text(1, name);
        _pair.Message(2, _value);
        buffer.Message(field, _pair);
    }

    private static ulong UnixNs(DateTimeOffset time) => (ulong)Math.Max(0, (time - DateTimeOffset.UnixEpoch).Ticks) * 100;
}
