using System.Diagnostics.Metrics;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using Sockwatch.Aggregation;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters.Otlp;

/// <summary>
/// The streams of some series, and a request of their own. The library never gives back the place of a stream that ended,
/// and folds what comes later into one stream; so series are put into groups, no group takes more than it has places for,
/// and a group is dropped as a whole once all its series are gone. Groups also keep requests below what receivers take.
/// </summary>
internal sealed class OtlpSeriesGroup : IDisposable
{
    /// <summary>A request of this many series stays below 4 MiB, which is what a gRPC server takes by default.</summary>
    public const int MaxSeries = 512;

    // Streams per series that the library has places for. A series has as many failures as it has kinds of errors.
    // The library makes room for all of them at once, so this is what a group costs.
    private const int OperationStreams = 8;
    private const int ConnectStreams = 3;
    private const int DirectionStreams = 2;
    private const int Reserved = 8;

    private readonly Meter _meter = new(OtlpMetrics.Scope, Diagnostics.BuildInfo.Current.Version);
    private readonly OtlpMetricSender _sender;
    private readonly MeterProvider _provider;
    private readonly BaseExportingMetricReader _reader;
    private readonly Histogram<double> _connect;
    private readonly Histogram<double> _connection;
    private readonly Histogram<double> _rtt;
    private readonly Dictionary<long, OtlpSeries> _series = [];
    private readonly HashSet<EdgeAttributes> _taken = [];
    private readonly OtlpTags _tags = new();

    public OtlpSeriesGroup(ResourceBuilder resource, OtlpMetricSender sender, OtlpTemporality temporality)
    {
        _sender = sender;
        Observe(MetricCatalogue.SocketIo, Io);
        Observe(MetricCatalogue.SocketOperations, Operations);
        Observe(MetricCatalogue.ConnectionsOpen, Open);
        Observe(MetricCatalogue.TcpRetransmits, Retransmits);
        Observe(MetricCatalogue.TcpResets, Resets);
        Observe(MetricCatalogue.ListenOverflows, ListenOverflows);
        _connect = NewHistogram(MetricCatalogue.ConnectDuration);
        _connection = NewHistogram(MetricCatalogue.ConnectionDuration);
        _rtt = NewHistogram(MetricCatalogue.TcpRtt);
        _reader = new BaseExportingMetricReader(sender) { TemporalityPreference = OtlpMetrics.Preference(temporality) };
        _provider = OtlpMetrics.Provider(resource, _meter, _reader, Places);
    }

    public int Live => _series.Count;

    public bool IsFull => _taken.Count >= MaxSeries;

    public IEnumerable<OtlpSeries> Series => _series.Values;

    /// <summary>False when it is full, or had a series of the same names: that one's streams would go on from another value.</summary>
    public bool TryAdd(TrafficSeries series, TrafficSeries? shown)
    {
        if (IsFull || !_taken.Add(series.Attributes))
        {
            return false;
        }

        _series.Add(series.Id, new OtlpSeries(this, series, shown));
        return true;
    }

    public OtlpSeries this[long id] => _series[id];

    public void Remove(long id) => _series.Remove(id);

    /// <summary>Sends what the series have now.</summary>
    public void Collect() => _reader.Collect();

    public HistogramFeed Feed(MetricDefinition metric, EdgeAttributes edge, string? error)
    {
        var histogram = metric == MetricCatalogue.ConnectDuration ? _connect : metric == MetricCatalogue.TcpRtt ? _rtt : _connection;
        var tags = OtlpTags.Of(edge, MetricCatalogue.Error, error);
        return new HistogramFeed(
            (value, count) =>
            {
                for (; count > 0; count--)
                {
                    histogram.Record(value, tags);
                }
            },
            metric.Buckets);
    }

    public void Dispose()
    {
        _sender.IsClosed = true;
        _meter.Dispose();
        _provider.Dispose();
    }

    private static int Places(string instrument) => Reserved + (MaxSeries * (
        instrument == MetricCatalogue.SocketOperations.Name ? OperationStreams
        : instrument == MetricCatalogue.ConnectDuration.Name ? ConnectStreams
        : instrument == MetricCatalogue.SocketIo.Name || instrument == MetricCatalogue.TcpResets.Name ? DirectionStreams
        : 1));

    private void Observe(MetricDefinition metric, Func<IEnumerable<Measurement<long>>> values)
    {
        if (metric.Kind == MetricKind.UpDownCounter)
        {
            _meter.CreateObservableUpDownCounter(metric.Name, values, metric.Unit, metric.Help);
        }
        else
        {
            _meter.CreateObservableCounter(metric.Name, values, metric.Unit, metric.Help);
        }
    }

    private Histogram<double> NewHistogram(MetricDefinition metric) => _meter.CreateHistogram(
        metric.Name, metric.Unit, metric.Help, tags: null, new InstrumentAdvice<double> { HistogramBucketBoundaries = metric.Buckets });

    private IEnumerable<Measurement<long>> Io()
    {
        foreach (var series in _series.Values)
        {
            var growth = series.Growth;
            if (growth.BytesSent > 0)
            {
                yield return Measure(growth.BytesSent, series, MetricCatalogue.Direction, MetricCatalogue.Transmit);
            }

            if (growth.BytesReceived > 0)
            {
                yield return Measure(growth.BytesReceived, series, MetricCatalogue.Direction, MetricCatalogue.Receive);
            }
        }
    }

    private IEnumerable<Measurement<long>> Operations()
    {
        foreach (var series in _series.Values)
        {
            var growth = series.Growth;
            (SocketOperation Operation, ulong Count)[] counts =
            [
                (SocketOperation.Connect, growth.Connects), (SocketOperation.Accept, growth.Accepts), (SocketOperation.Send, growth.Sends),
                (SocketOperation.Recv, growth.Receives), (SocketOperation.Release, growth.Releases),
            ];
            foreach (var (operation, count) in counts)
            {
                if (count > 0)
                {
                    yield return Measure(count, series, MetricCatalogue.Operation, operation.Name());
                }
            }

            foreach (var failures in series.Now.Failures)
            {
                var count = failures.Count - series.ShownFailures(failures);
                if (count > 0)
                {
                    yield return Measure(count, series, MetricCatalogue.Operation, failures.Operation.Name(), MetricCatalogue.Error, failures.ErrorType);
                }
            }
        }
    }

    private IEnumerable<Measurement<long>> Open()
    {
        foreach (var series in _series.Values)
        {
            if (series.Now.Has(TrafficMetric.ConnectionsOpen))
            {
                yield return Measure((ulong)series.Now.Open, series);
            }
        }
    }

    private IEnumerable<Measurement<long>> Retransmits() => Simple(growth => growth.Retransmits);

    private IEnumerable<Measurement<long>> ListenOverflows() => Simple(growth => growth.ListenOverflows);

    private IEnumerable<Measurement<long>> Resets()
    {
        foreach (var series in _series.Values)
        {
            var growth = series.Growth;
            if (growth.ResetsSent > 0)
            {
                yield return Measure(growth.ResetsSent, series, MetricCatalogue.Direction, MetricCatalogue.Transmit);
            }

            if (growth.ResetsReceived > 0)
            {
                yield return Measure(growth.ResetsReceived, series, MetricCatalogue.Direction, MetricCatalogue.Receive);
            }
        }
    }

    private IEnumerable<Measurement<long>> Simple(Func<EdgeTotals, ulong> value)
    {
        foreach (var series in _series.Values)
        {
            var count = value(series.Growth);
            if (count > 0)
            {
                yield return Measure(count, series);
            }
        }
    }

    private Measurement<long> Measure(
        ulong value, OtlpSeries series, string? name = null, string? text = null, string? name2 = null, string? text2 = null) =>
        new((long)value, _tags.Fill(series.Now.Attributes, name, text, name2, text2));
}
