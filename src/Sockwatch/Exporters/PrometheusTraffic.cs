using System.Collections.Immutable;
using Prometheus;
using Sockwatch.Aggregation;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters;

/// <summary>The metrics of edges. Keeps the library's children per series, so that a known series costs no labels and no look-up.</summary>
internal sealed class PrometheusTraffic
{
    private readonly Counter _io;
    private readonly Counter _operations;
    private readonly Gauge _open;
    private readonly Histogram _connectDuration;
    private readonly Histogram _connectionDuration;
    private readonly Histogram _rtt;
    private readonly Counter _retransmits;
    private readonly Counter _resets;
    private readonly Counter _listenOverflows;
    private readonly Dictionary<long, SeriesChildren> _series = [];
    private readonly bool _withPeerAddress;
    private readonly List<long> _gone = [];
    private long _publication;

    public PrometheusTraffic(PrometheusFamilies families, bool withPeerAddress)
    {
        _withPeerAddress = withPeerAddress;
        _io = families.Counter(MetricCatalogue.SocketIo);
        _operations = families.Counter(MetricCatalogue.SocketOperations);
        _open = families.Gauge(MetricCatalogue.ConnectionsOpen);
        _connectDuration = families.Histogram(MetricCatalogue.ConnectDuration);
        _connectionDuration = families.Histogram(MetricCatalogue.ConnectionDuration);
        _rtt = families.Histogram(MetricCatalogue.TcpRtt);
        _retransmits = families.Counter(MetricCatalogue.TcpRetransmits);
        _resets = families.Counter(MetricCatalogue.TcpResets);
        _listenOverflows = families.Counter(MetricCatalogue.ListenOverflows);
    }

    public void Publish(ImmutableArray<TrafficSeries> report)
    {
        _publication++;
        foreach (var series in report)
        {
            if (_series.TryGetValue(series.Id, out var known))
            {
                known.Publication = _publication;
            }
        }

        // First out, then in: a series that left and came back has the same labels and must begin at zero.
        RemoveGone();
        foreach (var series in report)
        {
            if (!_series.TryGetValue(series.Id, out var children))
            {
                _series.Add(series.Id, children = new SeriesChildren(this, series.Attributes) { Publication = _publication });
            }

            children.Update(series);
        }
    }

    private void RemoveGone()
    {
        _gone.Clear();
        foreach (var (id, children) in _series)
        {
            if (children.Publication != _publication)
            {
                children.Remove();
                _gone.Add(id);
            }
        }

        foreach (var id in _gone)
        {
            _series.Remove(id);
        }
    }

    /// <summary>What one label set has on the page. A metric appears with its first value other than zero.</summary>
    private sealed class SeriesChildren(PrometheusTraffic families, EdgeAttributes attributes)
    {
        private readonly string[] _labels = families._withPeerAddress
            ? [.. MetricCatalogue.EdgeLabels(attributes), attributes.PeerAddress]
            : MetricCatalogue.EdgeLabels(attributes);
        private readonly Dictionary<(SocketOperation Operation, string Error), Counter.Child> _failures = [];
        private readonly Dictionary<string, HistogramFeed> _failedConnects = [];
        private readonly List<Action> _removals = [];
        private TrafficSeries? _published;
        private Counter.Child? _sent;
        private Counter.Child? _received;
        private Counter.Child? _connects;
        private Counter.Child? _accepts;
        private Counter.Child? _sends;
        private Counter.Child? _receives;
        private Counter.Child? _releases;
        private Counter.Child? _retransmits;
        private Counter.Child? _resetsSent;
        private Counter.Child? _resetsReceived;
        private Counter.Child? _listenOverflows;
        private Gauge.Child? _open;
        private HistogramFeed? _connect;
        private HistogramFeed? _connection;
        private HistogramFeed? _rtt;

        public long Publication { get; set; }

        public void Update(TrafficSeries series)
        {
            if (ReferenceEquals(series, _published))
            {
                return;
            }

            _published = series;
            ref readonly var totals = ref series.Totals;
            Count(ref _sent, families._io, totals.BytesSent, MetricCatalogue.Transmit);
            Count(ref _received, families._io, totals.BytesReceived, MetricCatalogue.Receive);
            Count(ref _connects, families._operations, totals.Connects, SocketOperation.Connect.Name(), "");
            Count(ref _accepts, families._operations, totals.Accepts, SocketOperation.Accept.Name(), "");
            Count(ref _sends, families._operations, totals.Sends, SocketOperation.Send.Name(), "");
            Count(ref _receives, families._operations, totals.Receives, SocketOperation.Recv.Name(), "");
            Count(ref _releases, families._operations, totals.Releases, SocketOperation.Release.Name(), "");
            Count(ref _retransmits, families._retransmits, totals.Retransmits);
            Count(ref _resetsSent, families._resets, totals.ResetsSent, MetricCatalogue.Transmit);
            Count(ref _resetsReceived, families._resets, totals.ResetsReceived, MetricCatalogue.Receive);
            Count(ref _listenOverflows, families._listenOverflows, totals.ListenOverflows);
            if (series.Has(TrafficMetric.ConnectionsOpen))
            {
                (_open ??= Child(families._open)).Set(series.Open);
            }

            if (series.Timings is { } timings)
            {
                Feed(ref _connect, families._connectDuration, MetricCatalogue.ConnectDuration, timings.Connect, "");
                Feed(ref _connection, families._connectionDuration, MetricCatalogue.ConnectionDuration, timings.Connection);
                Feed(ref _rtt, families._rtt, MetricCatalogue.TcpRtt, timings.Rtt);
            }

            foreach (var failures in series.Failures)
            {
                Update(failures);
            }
        }

        public void Remove()
        {
            foreach (var remove in _removals)
            {
                remove();
            }
        }

        private void Update(TrafficFailures failures)
        {
            if (failures.Count > 0)
            {
                var kind = (failures.Operation, failures.ErrorType);
                if (!_failures.TryGetValue(kind, out var counter))
                {
                    _failures.Add(kind, counter = Child(families._operations, failures.Operation.Name(), failures.ErrorType));
                }

                counter.IncTo(failures.Count);
            }

            if (failures.HasDuration)
            {
                var feed = _failedConnects.GetValueOrDefault(failures.ErrorType);
                var isNew = feed is null;
                Feed(ref feed, families._connectDuration, MetricCatalogue.ConnectDuration, failures.Duration, failures.ErrorType);
                if (isNew)
                {
                    _failedConnects.Add(failures.ErrorType, feed!);
                }
            }
        }

        private void Count(ref Counter.Child? child, Counter family, ulong total, params ReadOnlySpan<string> own)
        {
            if (total > 0)
            {
                (child ??= Child(family, own)).IncTo(total);
            }
        }

        private void Feed(
            ref HistogramFeed? feed, Histogram family, MetricDefinition metric, in Latency total, params ReadOnlySpan<string> own)
        {
            if (feed is null)
            {
                if (total.Count == 0)
                {
                    return;
                }

                feed = new HistogramFeed(Child(family, own), metric.Buckets);
            }

            feed.Feed(total);
        }

        private TChild Child<TChild>(Collector<TChild> family, params ReadOnlySpan<string> own)
            where TChild : ChildBase
        {
            string[] labels = [.. _labels, .. own];
            _removals.Add(() => family.RemoveLabelled(labels));
            return family.WithLabels(labels);
        }
    }
}
