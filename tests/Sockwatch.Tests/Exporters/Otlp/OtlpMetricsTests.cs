using System.Text;
using Prometheus;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters;
using Sockwatch.Exporters.Otlp;
using Sockwatch.Kernel;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Exporters.Otlp;

public sealed class OtlpMetricsTests : IDisposable
{
    private readonly ManualTime _time = new();
    private readonly FakeKernelTotals _kernel = new();
    private readonly NamesByAddress _naming = new();
    private readonly TrafficTable _table;
    private readonly TrafficCollector _collector;

    public OtlpMetricsTests()
    {
        _table = Some.TrafficTable(_naming, _time, maxSeries: 2000);
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

        var page = await PrometheusSeries(report);
        var pushed = PushedSeries(receiver);

        Assert.True(page.Count > 5_000);
        Assert.Equal(page.Keys.Order(StringComparer.Ordinal), pushed.Keys.Order(StringComparer.Ordinal));
        foreach (var (series, value) in page)
        {
            if (series.Contains("_sum", StringComparison.Ordinal))
            {
                Assert.Equal(value, pushed[series], value * 1e-6);
            }
            else
            {
                Assert.Equal(value, pushed[series]);
            }
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

        _kernel.Count(Some.Edge(), Some.Bytes(3));
        _time.Advance(TimeSpan.FromSeconds(5));
        receiver.Metrics.Clear();
        otlp.Push(await _collector.FreshAsync(CancellationToken.None));

        var again = receiver.Points.Single(point => point.Name == "sockwatch.socket.io");
        Assert.Equal(3.0, again.Value);
        Assert.True(again.StartNs > first.StartNs, "a count that begins anew must say when");
    }

    [Theory]
    [InlineData(nameof(OtlpTemporality.Cumulative))]
    [InlineData(nameof(OtlpTemporality.Delta))]
    public async Task Churn_neither_fills_the_library_nor_counts_twice(string temporality)
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: false);
        var isDelta = temporality == nameof(OtlpTemporality.Delta);
        using var otlp = Otlp(receiver, grpc: false, Enum.Parse<OtlpTemporality>(temporality));
        var names = new Dictionary<string, double>();
        for (var round = 0; round < 12; round++)
        {
            // One that stays in every group, so that no group would ever be empty.
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

            foreach (var one in series)
            {
                Assert.Equal((round + 1) * 10.0, names[points.First(point => point.Attributes["peer.name"] == one.Attributes.PeerName).Labels]);
            }

            Assert.InRange(otlp.Groups, 2, 5);
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

    private void RandomTraffic(Random random, string peer)
    {
        var edge = Some.Edge(peer);
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

    /// <summary>Every series of an edge on the page, under the names that OTLP-to-Prometheus translation gives.</summary>
    private static async Task<Dictionary<string, double>> PrometheusSeries(TrafficReport report)
    {
        using var exporter = new PrometheusExporter(new BuildInfo("0.1.0", "6.18.0"), new ExportFailures());
        using var page = new MemoryStream();
        await exporter.RenderAsync(report, page, ExpositionFormat.PrometheusText, CancellationToken.None);
        var series = new Dictionary<string, double>();
        foreach (var line in Encoding.UTF8.GetString(page.ToArray()).Split('\n').Where(line => line.Contains("workload_name=", StringComparison.Ordinal)))
        {
            var name = line[..line.IndexOf('{')];
            var labels = line[(line.IndexOf('{') + 1)..line.LastIndexOf('}')].Split("\",")
                .Select(label => label.TrimEnd('"').Replace("=\"", "=", StringComparison.Ordinal))
                .Where(label => !label.EndsWith('='))
                .Order(StringComparer.Ordinal);
            series.Add($"{name}{{{string.Join(",", labels)}}}", double.Parse(line[(line.LastIndexOf(' ') + 1)..], System.Globalization.CultureInfo.InvariantCulture));
        }

        return series;
    }

    private static Dictionary<string, double> PushedSeries(OtlpReceiver receiver)
    {
        var series = new Dictionary<string, double>();
        foreach (var point in receiver.Points.Where(point => MetricCatalogue.All.Single(metric => metric.Name == point.Name).IsOfEdge))
        {
            var name = MetricCatalogue.All.Single(metric => metric.Name == point.Name).PrometheusName;
            var labels = point.Attributes.Select(one => $"{MetricDefinition.ToPrometheus(one.Key)}={one.Value}").Order(StringComparer.Ordinal).ToList();
            if (point.Kind != "histogram")
            {
                series.Add($"{name}{{{string.Join(",", labels)}}}", point.Value);
                continue;
            }

            series.Add($"{name}_sum{{{string.Join(",", labels)}}}", point.Value);
            series.Add($"{name}_count{{{string.Join(",", labels)}}}", point.Count);
            var cumulative = 0UL;
            for (var i = 0; i < point.Buckets.Length; i++)
            {
                cumulative += point.Buckets[i];
                var bound = i < point.Bounds.Length ? point.Bounds[i].ToString("R", System.Globalization.CultureInfo.InvariantCulture) : "+Inf";
                bound = bound == "5E-05" ? "5e-05" : bound;
                series.Add($"{name}_bucket{{{string.Join(",", labels.Append($"le={bound}").Order(StringComparer.Ordinal))}}}", cumulative);
            }
        }

        return series;
    }
}
