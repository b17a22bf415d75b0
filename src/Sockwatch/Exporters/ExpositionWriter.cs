using System.Buffers.Text;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Sockwatch.Aggregation;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters;

internal enum ExpositionFormat
{
    /// <summary>Prometheus' own text format, version 0.0.4.</summary>
    PrometheusText,

    /// <summary>OpenMetrics 1.0.0.</summary>
    OpenMetricsText,
}

/// <summary>Writes a page in one of the two text formats, into a buffer that it keeps from page to page. Not thread-safe.</summary>
internal sealed class ExpositionWriter
{
    private const double NsPerSecond = 1e9;
    private const int LongestNumber = 32;
    private const int BufferLength = 64 * 1024;

    private readonly byte[][] _edgeNames;
    private readonly EdgeLabels _edge;
    private readonly Dictionary<MetricDefinition, Family> _families = new(ReferenceEqualityComparer.Instance);
    private readonly Bytes _page = new(BufferLength);
    private readonly Bytes _labels = new(1024);
    private readonly Bytes _own = new(256);
    private Stream _stream = Stream.Null;
    private Family _family = null!;
    private bool _isOpenMetrics;

    public ExpositionWriter(EdgeLabels edge)
    {
        _edge = edge;
        _edgeNames = [.. edge.Names.Select(LabelName)];
    }

    public void Begin(Stream page, ExpositionFormat format)
    {
        _stream = page;
        _isOpenMetrics = format == ExpositionFormat.OpenMetricsText;
        _page.Clear();
    }

    public void End()
    {
        if (_isOpenMetrics)
        {
            _page.Add("# EOF\n"u8);
        }

        Flush();
        _stream = Stream.Null;
    }

    public void BeginFamily(MetricDefinition metric)
    {
        if (!_families.TryGetValue(metric, out _family!))
        {
            _families.Add(metric, _family = new Family(metric));
        }

        _page.Add(_isOpenMetrics ? _family.OpenMetricsHead : _family.TextHead);
    }

    /// <summary>The points that follow are of this edge.</summary>
    public void BeginEdge(EdgeAttributes edge)
    {
        _labels.Clear();
        for (var i = 0; i < _edgeNames.Length; i++)
        {
            AddLabel(_labels, _edgeNames[i], _edge.Value(edge, i));
        }
    }

    /// <summary>The points that follow are of no edge.</summary>
    public void BeginSelf() => _labels.Clear();

    public void Whole(long value, params ReadOnlySpan<string> own)
    {
        BeginLine(_family.Name, own);
        AddWhole(value);
        EndLine();
    }

    public void Number(double value, params ReadOnlySpan<string> own)
    {
        BeginLine(_family.Name, own);
        AddNumber(value);
        EndLine();
    }

    public void Histogram(in Latency total, params ReadOnlySpan<string> own)
    {
        OwnLabels(own);
        var cumulative = 0UL;
        var bounds = _isOpenMetrics ? _family.OpenMetricsBounds : _family.TextBounds;
        for (var i = 0; i < bounds.Length; i++)
        {
            cumulative += total.Buckets[i];
            AddName(_family.Bucket);
            _page.Add(bounds[i]);
            _page.Add("\"} "u8);
            AddWhole(unchecked((long)cumulative));
            EndLine();
        }

        BeginLine(_family.Sum);
        AddNumber(total.SumNs / NsPerSecond);
        EndLine();
        BeginLine(_family.Count);
        AddWhole(unchecked((long)total.Count));
        EndLine();
    }

    private void BeginLine(byte[] name, ReadOnlySpan<string> own)
    {
        OwnLabels(own);
        BeginLine(name);
    }

    private void BeginLine(byte[] name)
    {
        _page.Add(name);
        if (_labels.Length + _own.Length > 0)
        {
            _page.Add("{"u8);
            AddLabels();
            _page.Add("}"u8);
        }

        _page.Add(" "u8);
    }

    /// <summary>Up to the value of le, which is the last label.</summary>
    private void AddName(byte[] name)
    {
        _page.Add(name);
        _page.Add("{"u8);
        AddLabels();
        _page.Add(_labels.Length + _own.Length > 0 ? ",le=\""u8 : "le=\""u8);
    }

    private void AddLabels()
    {
        // Each label has its comma in front, the first of all without.
        var isFirst = true;
        foreach (var labels in (ReadOnlySpan<Bytes>)[_labels, _own])
        {
            if (labels.Length > 0)
            {
                _page.Add(isFirst ? labels.Written[1..] : labels.Written);
                isFirst = false;
            }
        }
    }

    private void OwnLabels(ReadOnlySpan<string> own)
    {
        _own.Clear();
        for (var i = 0; i < _family.Labels.Length; i++)
        {
            AddLabel(_own, _family.Labels[i], own[i]);
        }
    }

    private void EndLine()
    {
        _page.Add("\n"u8);
        if (_page.Length >= BufferLength)
        {
            Flush();
        }
    }

    private void Flush()
    {
        _stream.Write(_page.Written);
        _page.Clear();
    }

    private void AddWhole(long value)
    {
        Utf8Formatter.TryFormat(value, _page.Room(LongestNumber), out var length);
        _page.Advance(length);
    }

    private void AddNumber(double value)
    {
        if (value == Math.Truncate(value) && Math.Abs(value) < 1e15)
        {
            AddWhole((long)value);
            return;
        }

        value.TryFormat(_page.Room(LongestNumber), out var length, "R", CultureInfo.InvariantCulture);
        _page.Advance(length);
    }

    private static void AddLabel(Bytes labels, byte[] name, string value)
    {
        labels.Add(name);
        labels.AddEscaped(value);
        labels.Add("\""u8);
    }

    /// <summary>A comma, the name as Prometheus spells it, and what comes before the value.</summary>
    private static byte[] LabelName(string name) => Encoding.UTF8.GetBytes($",{MetricDefinition.ToPrometheus(name)}=\"");

    /// <summary>What is the same on every page.</summary>
    private sealed class Family
    {
        private const string Total = "_total";

        public Family(MetricDefinition metric)
        {
            var name = metric.PrometheusName;
            var type = metric.Kind switch
            {
                MetricKind.Counter => "counter",
                MetricKind.Histogram => "histogram",
                _ => "gauge",
            };

            // There, a counter's own name is the one without the ending of its only sample.
            var openName = metric.Kind == MetricKind.Counter ? name[..^Total.Length] : name;
            TextHead = Head(name, type, metric.Help.Replace("\\", "\\\\", StringComparison.Ordinal));
            OpenMetricsHead = Head(openName, type, metric.Help.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal));
            Name = Encoding.UTF8.GetBytes(name);
            Bucket = Encoding.UTF8.GetBytes(name + "_bucket");
            Sum = Encoding.UTF8.GetBytes(name + "_sum");
            Count = Encoding.UTF8.GetBytes(name + "_count");
            Labels = [.. metric.Attributes.Select(LabelName)];
            TextBounds = Bounds(metric.Buckets, "0.#########");
            OpenMetricsBounds = Bounds(metric.Buckets, "0.0########");
        }

        public byte[] TextHead { get; }

        public byte[] OpenMetricsHead { get; }

        public byte[] Name { get; }

        public byte[] Bucket { get; }

        public byte[] Sum { get; }

        public byte[] Count { get; }

        public byte[][] Labels { get; }

        /// <summary>Values of le, without exponents, as translation from OTLP writes them.</summary>
        public byte[][] TextBounds { get; }

        /// <summary>The same, but that a whole number has a decimal place.</summary>
        public byte[][] OpenMetricsBounds { get; }

        private static byte[] Head(string name, string type, string help) =>
            Encoding.UTF8.GetBytes($"# HELP {name} {help}\n# TYPE {name} {type}\n");

        private static byte[][] Bounds(ImmutableArray<double> bounds, string format) =>
            bounds.IsEmpty ? [] : [.. bounds.Select(bound => Encoding.UTF8.GetBytes(bound.ToString(format, CultureInfo.InvariantCulture))), "+Inf"u8.ToArray()];
    }

    /// <summary>Bytes that grow, and keep their room.</summary>
    private sealed class Bytes(int capacity)
    {
        private byte[] _bytes = new byte[capacity];

        public int Length { get; private set; }

        public ReadOnlySpan<byte> Written => _bytes.AsSpan(0, Length);

        public void Clear() => Length = 0;

        public void Advance(int count) => Length += count;

        public void Add(ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(Room(bytes.Length));
            Length += bytes.Length;
        }

        /// <summary>As the inside of quotes. Half a surrogate pair comes out as U+FFFD: the page is always valid.</summary>
        public void AddEscaped(string text)
        {
            while (true)
            {
                var special = text.AsSpan().IndexOfAny('\\', '"', '\n');
                AddText(special < 0 ? text : text.AsSpan(0, special));
                if (special < 0)
                {
                    return;
                }

                Add(text[special] switch { '\\' => "\\\\"u8, '"' => "\\\""u8, _ => "\\n"u8 });
                text = text[(special + 1)..];
            }
        }

        public Span<byte> Room(int length)
        {
            if (_bytes.Length - Length < length)
            {
                Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, Length + length));
            }

            return _bytes.AsSpan(Length);
        }

        private void AddText(ReadOnlySpan<char> text) => Length += Encoding.UTF8.GetBytes(text, Room(Encoding.UTF8.GetMaxByteCount(text.Length)));
    }
}
