using System.Text;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters;
using Sockwatch.Exporters.Otlp;
using Sockwatch.Kernel;
using Sockwatch.Tests.Fakes;
using Sockwatch.Verdicts;
using Xunit;

namespace Sockwatch.Tests.Exporters.Otlp;

public sealed class OtlpMetricsTests : IDisposable
{
    private readonly ManualTime _time = new();
    private readonly FakeKernelTotals _kernel = new();
    private readonly NamesByAddress _naming = new();
    private readonly Detections _detections;
    private readonly TrafficTable _table;
    private readonly TrafficCollector _collector;

    public OtlpMetricsTests()
    {
        _detections = new Detections(_time);
        _table = Some.TrafficTable(_naming, _time, maxSeries: 2000, detections: _detections);
        _collector = Some.TrafficCollector(_kernel, _time, _table);
    }

    public void Dispose() => _collector.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Shows_a_receiver_what_Prometheus_shows_to_the_byte(bool grpc)
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc);
        using var otlp = Otlp(receiver, grpc);
        var random = new Random(1);
        TrafficReport report = TrafficReport.Empty;
        for (var round = 0; round < 3; round++)
        {
            for (var i = 0; i < 700; i++)
            {
                RandomTraffic(random, $"198.51.{i / 250}.{i % 250}");
            }

            _time.Advance(TimeSpan.FromSeconds(5));
            report = await _collector.FreshAsync(CancellationToken.None);
            receiver.Metrics.Clear();
            otlp.Push(report);
        }

        var page = await PageSeriesAsync(report);
        var pushed = PrometheusSeries.OfPoints(receiver.Points);

        Assert.True(page.Count > 5_000);
        Assert.Equal(page.Keys.Order(StringComparer.Ordinal), pushed.Keys.Order(StringComparer.Ordinal));
        foreach (var (series, value) in page)
        {
            Assert.Equal(value, pushed[series]);
        }
    }

    [Fact]
    public async Task Says_what_it_measures_and_since_when()
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: true);
        using var otlp = Otlp(receiver, grpc: true);
        _kernel.Count(Some.Edge(), new EdgeTotals { BytesSent = 5, Opened = 2, Closed = 1 });

        otlp.Push(await _collector.FreshAsync(CancellationToken.None));

        var io = receiver.Points.Single(point => point.Name == "sockwatch.socket.io");
        Assert.Equal(("By", "sum", true, 2, 5.0), (io.Unit, io.Kind, io.IsMonotonic, io.Temporality, io.Value));
        Assert.Equal("transmit", io.Attributes["network.io.direction"]);
        Assert.Equal("198.51.100.1", io.Attributes["peer.name"]);
        Assert.DoesNotContain("workload.namespace", io.Attributes.Keys);
        Assert.InRange(io.StartNs, 1UL, io.TimeNs);
        var open = receiver.Points.Single(point => point.Name == "sockwatch.connections.open");
        Assert.Equal(("sum", false, 2, 1.0), (open.Kind, open.IsMonotonic, open.Temporality, open.Value));
        Assert.Equal("gauge", receiver.Points.First(point => point.Name == "sockwatch.series.limit").Kind);
        Assert.Equal("sockwatch", OtlpMessages.Scope(receiver.Metrics.First()));
        var resource = OtlpMessages.Resource(receiver.Metrics.Last());
        Assert.Equal(("sockwatch", "0.1.0", Environment.MachineName), (resource["service.name"], resource["service.version"], resource["host.name"]));
    }

    [Fact]
    public async Task Pushes_differences_that_add_up_when_asked_to()
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: false);
        using var otlp = Otlp(receiver, grpc: false, OtlpTemporality.Delta);
        var sent = 0UL;
        for (var round = 1; round <= 4; round++)
        {
            _kernel.Count(Some.Edge(), Some.Bytes((ulong)round * 10));
            _kernel.Timings[Some.Edge()] = new EdgeTimings { Rtt = Samples(round) };
            sent += (ulong)round * 10;
            _time.Advance(TimeSpan.FromSeconds(5));
            otlp.Push(await _collector.FreshAsync(CancellationToken.None));
        }

        var io = receiver.Points.Where(point => point.Name == "sockwatch.socket.io").ToList();
        Assert.Equal([10.0, 20, 30, 40], io.Select(point => point.Value));
        Assert.All(io, point => Assert.Equal(1, point.Temporality));
        Assert.Equal(4UL, receiver.Points.Where(point => point.Name == "sockwatch.tcp.rtt").Aggregate(0UL, (sum, point) => sum + point.Count));
        Assert.Equal(100UL, sent);
    }

    [Fact]
    public async Task A_series_that_left_is_gone_and_one_that_returns_begins_anew()
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: true);
        using var otlp = Otlp(receiver, grpc: true);
        _kernel.Count(Some.Edge(), Some.Bytes(100));
        otlp.Push(await _collector.FreshAsync(CancellationToken.None));
        var first = receiver.Points.Single(point => point.Name == "sockwatch.socket.io");

        _time.Advance(TimeSpan.FromMinutes(10));
        await _collector.FreshAsync(CancellationToken.None);
        _time.Advance(TimeSpan.FromMinutes(10));
        receiver.Metrics.Clear();
        otlp.Push(await _collector.FreshAsync(CancellationToken.None));
        Assert.DoesNotContain(receiver.Points, point => point.Name == "sockwatch.socket.io");
        Assert.Equal(first.Labels, receiver.Ends.Single(point => point.Name == "sockwatch.socket.io").Labels);
        receiver.Metrics.Clear();
        otlp.Push(await _collector.FreshAsync(CancellationToken.None));
        Assert.Empty(receiver.Ends);

        _kernel.Count(Some.Edge(), Some.Bytes(3));
        _time.Advance(TimeSpan.FromSeconds(5));
        receiver.Metrics.Clear();
        otlp.Push(await _collector.FreshAsync(CancellationToken.None));

        var again = receiver.Points.Single(point => point.Name == "sockwatch.socket.io");
        Assert.Equal(3.0, again.Value);
        Assert.True(again.StartNs > first.StartNs, "a count that begins anew must say when");
    }

    /// <summary>Failing pushes, places lost and regained, series that come and go unseen: the receiver's sums are the truth in the end.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Differences_add_up_whatever_fails_folds_leaves_or_is_refused_in_between(int seed)
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: seed % 2 == 0);
        var random = new Random(seed);
        var status = 0;
        receiver.Misbehave = context =>
        {
            context.Response.StatusCode = status == 0 ? 200 : status;
            return Task.FromResult(status != 0);
        };
        using var otlp = Otlp(receiver, grpc: seed % 2 == 0, OtlpTemporality.Delta);
        var table = Some.TrafficTable(_naming, _time, maxSeries: 30, edgeTtl: TimeSpan.FromSeconds(30), seriesTtl: TimeSpan.FromSeconds(30), detections: _detections);
        using var collector = Some.TrafficCollector(_kernel, _time, table);
        var report = TrafficReport.Empty;
        for (var round = 0; round < 80; round++)
        {
            for (var i = random.Next(30); i > 0; i--)
            {
                var peer = $"198.51.100.{random.Next(250)}";
                RandomTraffic(random, peer);
                _kernel.Count(Some.Edge(peer), new EdgeTotals { Closed = 2 });
            }

            _time.Advance(TimeSpan.FromSeconds(random.Next(2, 12)));
            report = await collector.FreshAsync(CancellationToken.None);
            if (random.Next(3) > 0)
            {
                status = random.Next(3) == 0 ? 503 : 0;
                otlp.Push(report);
            }
        }

        status = 0;
        otlp.Push(report);

        var pushed = new Dictionary<string, decimal>();
        foreach (var point in receiver.Points.Where(point => MetricCatalogue.All.Single(metric => metric.Name == point.Name).IsOfEdge && point.IsMonotonic | point.Kind == "histogram"))
        {
            Assert.Equal(1, point.Temporality);
            Assert.True(point.Value >= 0 && point.StartNs <= point.TimeNs, $"{point.Name} {point.Labels}: {point.Value} from {point.StartNs} to {point.TimeNs}");
            var kind = $"{point.Name} {string.Join(' ', MetricCatalogue.All.Single(metric => metric.Name == point.Name).Attributes.Select(name => point.Attributes.GetValueOrDefault(name, "")))}";
            pushed[kind] = pushed.GetValueOrDefault(kind) + (point.Kind == "histogram" ? point.Count : (decimal)point.Value);
        }

        var truth = new Dictionary<string, decimal>();
        var page = new Sums(truth);
        foreach (var series in report.Series)
        {
            series.Visit(ref page);
        }

        report.RetiredTotals!.Visit(ref page);
        Assert.Equal(truth.OrderBy(one => one.Key, StringComparer.Ordinal), pushed.OrderBy(one => one.Key, StringComparer.Ordinal));
        Assert.True(truth.Count > 10 && report.Budget.Folded.Sum() > 100 && report.Retired.Transmitted > 0, $"{truth.Count} {report.Budget.Folded.Sum()} {report.Retired.Transmitted}");
        Assert.InRange(otlp.Remembered, 0, report.Series.Length);
    }

    [Fact]
    public async Task What_a_failed_push_held_is_in_the_next_one_and_the_series_that_left_meanwhile_in_the_overflow()
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: false);
        var isDown = false;
        receiver.Misbehave = context =>
        {
            context.Response.StatusCode = isDown ? 503 : 200;
            return Task.FromResult(isDown);
        };
        using var otlp = Otlp(receiver, grpc: false, OtlpTemporality.Delta);
        async Task<TrafficReport> PushAsync(double minutes)
        {
            _time.Advance(TimeSpan.FromMinutes(minutes));
            var report = await _collector.FreshAsync(CancellationToken.None);
            otlp.Push(report);
            return report;
        }

        _kernel.Count(Some.Edge("198.51.100.1"), Some.Bytes(10));
        _kernel.Count(Some.Edge("198.51.100.2"), Some.Bytes(100));
        await PushAsync(0.1);
        isDown = true;
        _kernel.Count(Some.Edge("198.51.100.1"), Some.Bytes(5));
        _kernel.Count(Some.Edge("198.51.100.2"), Some.Bytes(7));
        for (var minute = 0; minute < 25; minute++)
        {
            _kernel.Count(Some.Edge("198.51.100.1"), Some.Bytes(1));
            await PushAsync(1);
        }

        isDown = false;
        receiver.Metrics.Clear();
        await PushAsync(0.1);

        Assert.Equal(
            [("198.51.100.1", 30.0), ("_overflow", 7.0)],
            receiver.Points.Where(point => point.Name == "sockwatch.socket.io").Select(point => (point.Attributes["peer.name"], point.Value)).Order());
        receiver.Metrics.Clear();
        await PushAsync(0.1);
        Assert.DoesNotContain(receiver.Points, point => point.Name == "sockwatch.socket.io");
    }

    [Fact]
    public async Task Every_edge_has_the_detections_it_had_push_after_push()
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: true);
        using var otlp = Otlp(receiver, grpc: true, OtlpTemporality.Delta);
        for (var round = 1; round <= 3; round++)
        {
            for (var peer = 1; peer <= 3; peer++)
            {
                Detect(Some.Edge($"198.51.100.{peer}"), "tor", (ulong)(peer * 10));
                Detect(Some.Edge($"198.51.100.{peer}"), round == 1 ? "first" : "later", 1);
            }

            _time.Advance(TimeSpan.FromSeconds(5));
            otlp.Push(await _collector.FreshAsync(CancellationToken.None));
        }

        var found = receiver.Points.Where(point => point.Name == "sockwatch.detections")
            .GroupBy(point => $"{point.Attributes["peer.name"]} {point.Attributes["detection.name"]}")
            .Select(points => $"{points.Key} {points.Sum(point => point.Value)}").Order(StringComparer.Ordinal);
        Assert.Equal(
            from peer in Enumerable.Range(1, 3)
            from one in new[] { "first 1", "later 2", $"tor {peer * 30}" }
            select $"198.51.100.{peer} {one}",
            found);
    }

    [Fact]
    public async Task A_name_that_has_no_room_among_what_is_gone_is_not_counted_once_more_under_the_rest()
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: false);
        using var otlp = Otlp(receiver, grpc: false, OtlpTemporality.Delta);
        var table = Some.TrafficTable(_naming, _time, maxSeries: 10, edgeTtl: TimeSpan.FromSeconds(30), seriesTtl: TimeSpan.FromSeconds(30), detections: _detections);
        using var collector = Some.TrafficCollector(_kernel, _time, table);
        var truth = 0UL;
        for (var round = 0; round < 200; round++)
        {
            // Each is shown for a while, and then leaves what it had to those that are gone.
            for (var name = 0; name < 3; name++)
            {
                Detect(Some.Edge($"198.51.100.{round}"), $"name-{(round * 3) + name}", 2);
                truth += 2;
            }

            _time.Advance(TimeSpan.FromSeconds(40));
            otlp.Push(await collector.FreshAsync(CancellationToken.None));
        }

        var sum = receiver.Points.Where(point => point.Name == "sockwatch.detections").Sum(point => point.Value);
        Assert.Equal(truth, sum);
    }

    private readonly struct Sums(Dictionary<string, decimal> sums) : ITrafficPoints
    {
        public void Count(TrafficMetric metric, ulong total, string first, string second) => Add(metric, total, first, second);

        public void Level(TrafficMetric metric, long now)
        {
        }

        public void Time(TrafficMetric metric, in Latency total, string first) => Add(metric, total.Count, first, "");

        private void Add(TrafficMetric metric, ulong count, string first, string second)
        {
            var definition = MetricCatalogue.Of(metric);
            var kind = $"{definition.Name} {string.Join(' ', new[] { first, second }.Take(definition.Attributes.Length))}";
            sums[kind] = sums.GetValueOrDefault(kind) + count;
        }
    }

    [Theory]
    [InlineData(nameof(OtlpTemporality.Cumulative))]
    [InlineData(nameof(OtlpTemporality.Delta))]
    public async Task Churn_neither_fills_memory_nor_counts_twice(string temporality)
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: false);
        var isDelta = temporality == nameof(OtlpTemporality.Delta);
        using var otlp = Otlp(receiver, grpc: false, Enum.Parse<OtlpTemporality>(temporality));
        var names = new Dictionary<string, double>();
        for (var round = 0; round < 12; round++)
        {
            var series = Enumerable.Range(0, 900).Select(i => Series(round < 6 || i % 100 == 0 ? i : (round * 1000) + i, (ulong)(round + 1) * 10)).ToList();
            receiver.Metrics.Clear();
            otlp.Push(TrafficReport.Empty with { Series = [.. series] });
            var points = receiver.Points.Where(point => point.Name == "sockwatch.socket.io").ToList();

            Assert.DoesNotContain(points, point => point.Attributes.ContainsKey("otel.metric.overflow"));
            Assert.Equal(900, points.Select(point => point.Labels).Distinct().Count());
            foreach (var point in points)
            {
                names[point.Labels] = isDelta ? names.GetValueOrDefault(point.Labels) + point.Value : point.Value;
            }

            var byPeer = points.ToDictionary(point => point.Attributes["peer.name"]);
            foreach (var one in series)
            {
                Assert.Equal((round + 1) * 10.0, names[byPeer[one.Attributes.PeerName].Labels]);
            }

            Assert.InRange(otlp.Remembered, 0, 900);
        }

        static TrafficSeries Series(int id, ulong sent) => new(
            id + 1, Some.Attributes(peer: $"peer-{id}"), DateTimeOffset.UnixEpoch, Some.Bytes(sent), 0, null, []);
    }

    private static OtlpMetrics Otlp(OtlpReceiver receiver, bool grpc, OtlpTemporality temporality = OtlpTemporality.Cumulative) =>
        Some.OtlpMetrics(new OtlpOptions
        {
            Endpoint = receiver.Endpoint,
            Protocol = grpc ? OtlpProtocol.Grpc : OtlpProtocol.HttpProtobuf,
            Temporality = temporality,
        });

    private static Latency Samples(int count)
    {
        var latency = Some.Latency(60_000);
        for (var i = 1; i < count; i++)
        {
            latency.AddGrowth(Some.Latency(60_000), default);
        }

        return latency;
    }

    private void Detect(EdgeKey edge, string name, ulong count)
    {
        var key = new EdgeDetectionKey { Edge = edge, Detection = _detections.NumberOf(1, Encoding.UTF8.GetBytes(name)) };
        _kernel.Detections[key] = _kernel.Detections.GetValueOrDefault(key) + count;
    }

    private void RandomTraffic(Random random, string peer)
    {
        var edge = Some.Edge(peer);
        if (random.Next(2) == 0)
        {
            Detect(edge, $"list-{random.Next(3)}", (ulong)random.Next(1, 4));
        }

        _kernel.Count(edge, new EdgeTotals
        {
            BytesSent = (ulong)random.NextInt64(1L << 40), BytesReceived = (ulong)random.Next(100), Sends = (ulong)random.Next(50),
            Receives = (ulong)random.Next(3), Connects = (ulong)random.Next(2), Accepts = 1, Releases = 1, Opened = 3, Closed = 1,
            Retransmits = (ulong)random.Next(2), ResetsSent = (ulong)random.Next(2), ResetsReceived = 1, ListenOverflows = (ulong)random.Next(2),
        });
        var timings = _kernel.Timings.GetValueOrDefault(edge);
        timings.Connect.AddGrowth(Some.Latency((ulong)random.NextInt64(4_000_000_000)), default);
        timings.Rtt.AddGrowth(Some.Latency((ulong)random.NextInt64(1_000_000)), default);
        _kernel.Timings[edge] = timings;
        if (random.Next(3) == 0)
        {
            var key = new EdgeFailureKey { Edge = edge, Error = 111, Operation = SocketOperation.Connect };
            var failures = _kernel.Failures.GetValueOrDefault(key);
            failures.Count++;
            failures.Duration.AddGrowth(Some.Latency((ulong)random.NextInt64(1_000_000)), default);
            _kernel.Failures[key] = failures;
        }
    }

    /// <summary>Every series of an edge on the page.</summary>
    private static async Task<Dictionary<string, double>> PageSeriesAsync(TrafficReport report)
    {
        using var exporter = new PrometheusExporter(new BuildInfo("0.1.0", "6.18.0"), new ExportFailures());
        using var page = new MemoryStream();
        await exporter.RenderAsync(report, page, ExpositionFormat.PrometheusText, CancellationToken.None);
        return PrometheusSeries.OfPage(Encoding.UTF8.GetString(page.ToArray()));
    }
}
