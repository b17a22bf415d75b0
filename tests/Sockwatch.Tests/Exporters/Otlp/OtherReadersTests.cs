using System.Text;
using System.Text.Json;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters;
using Sockwatch.Exporters.Otlp;
using Sockwatch.Kernel;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Exporters.Otlp;

/// <summary>Programs that share nothing with the agent read what it pushes, and find what the page says.</summary>
public sealed class OtherReadersTests : IDisposable
{
    private readonly ManualTime _time = new();
    private readonly FakeKernelTotals _kernel = new();
    private readonly TrafficCollector _collector;

    public OtherReadersTests() => _collector = Some.TrafficCollector(
        _kernel, _time, Some.TrafficTable(new NamesByAddress { Workload = "ünïcode \"quoted\"\n" }, _time, maxSeries: 500));

    public void Dispose() => _collector.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Python_reads_the_metrics_of_the_page(bool grpc)
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc);
        using var otlp = Some.OtlpMetrics(new OtlpOptions
        {
            Endpoint = receiver.Endpoint, Protocol = grpc ? OtlpProtocol.Grpc : OtlpProtocol.HttpProtobuf, ServiceName = "näme", ResourceAttributes = { "a=b%20c" },
        });
        var report = await ReportAsync();

        otlp.Push(report);

        var requests = await Receivers.DecodeAsync("metrics", receiver.Metrics);
        Assert.Equal(("näme", "b c", Environment.MachineName), (Text(requests[0], "service.name"), Text(requests[0], "a"), Text(requests[0], "host.name")));
        var rows = requests.SelectMany(request => request.GetProperty("rows").EnumerateArray()).ToList();
        foreach (var row in rows)
        {
            var metric = MetricCatalogue.All.First(metric => metric.Name == row.GetProperty("name").GetString());
            Assert.True(metric.Kind is MetricKind.Gauge or MetricKind.Histogram || !metric.IsOfEdge || row.GetProperty("type").GetString() == "as_int");
            Assert.Equal((metric.Unit, metric.Help), (row.GetProperty("unit").GetString(), row.GetProperty("help").GetString()));
            Assert.Equal(
                metric.Kind switch
                {
                    MetricKind.Counter => ("sum", 2, true),
                    MetricKind.UpDownCounter => ("sum", 2, false),
                    MetricKind.Histogram => ("histogram", 2, false),
                    _ => ("gauge", 0, false),
                },
                (row.GetProperty("kind").GetString(), row.GetProperty("temporality").GetInt32(), row.GetProperty("monotonic").GetBoolean()));
            Assert.True(row.GetProperty("start").GetUInt64() <= row.GetProperty("time").GetUInt64());
        }

        AssertSame(await PageAsync(report), PrometheusSeries.OfRows(rows), 0);
    }

    [Fact]
    public async Task Python_reads_the_flow_records_and_spans()
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: false);
        using var flows = Some.OtlpFlows(new OtlpOptions { Endpoint = receiver.Endpoint, Protocol = OtlpProtocol.HttpProtobuf, Spans = true });
        await flows.StartAsync(CancellationToken.None);
        for (var i = 1; i <= 20; i++)
        {
            flows.OnRecord(FlowLogSamples.Plain((ulong)i));
        }

        flows.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowEnd, NetworkRole.Server, error: 104, endReason: FlowEndReason.Error));
        await Some.UntilAsync(() => flows.Logs!.Delivered == 21);
        await flows.StopAsync(CancellationToken.None);

        var logs = (await Receivers.DecodeAsync("logs", receiver.Logs)).SelectMany(request => request.GetProperty("rows").EnumerateArray()).ToList();
        Assert.Equal(21, logs.Count);
        foreach (var log in logs)
        {
            var id = log.GetProperty("attributes").GetProperty("flow.id").GetString()!;
            Assert.False(log.GetProperty("body").GetBoolean());
            Assert.StartsWith("flow.", log.GetProperty("event").GetString(), StringComparison.Ordinal);
            Assert.True(log.GetProperty("observed").GetUInt64() > 0);
            Assert.Equal((9, id, id[16..]), (log.GetProperty("severity").GetInt32(), log.GetProperty("trace").GetString(), log.GetProperty("span").GetString()));
        }

        var span = Assert.Single((await Receivers.DecodeAsync("traces", receiver.Spans)).SelectMany(request => request.GetProperty("rows").EnumerateArray()));
        var flow = span.GetProperty("attributes").GetProperty("flow.id").GetString()!;
        Assert.Equal((flow, flow[16..]), (span.GetProperty("trace").GetString(), span.GetProperty("span").GetString()));
        Assert.Equal((2, 2), (span.GetProperty("kind").GetInt32(), span.GetProperty("status").GetInt32()));
        Assert.Equal(1_200_000_000UL, span.GetProperty("end").GetUInt64() - span.GetProperty("start").GetUInt64());
    }

    [Fact]
    public async Task Without_spans_a_log_record_belongs_to_no_trace()
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: false);
        using var flows = Some.OtlpFlows(new OtlpOptions { Endpoint = receiver.Endpoint, Protocol = OtlpProtocol.HttpProtobuf });
        await flows.StartAsync(CancellationToken.None);
        flows.OnRecord(FlowLogSamples.Plain(1));
        await flows.StopAsync(CancellationToken.None);

        var log = Assert.Single((await Receivers.DecodeAsync("logs", receiver.Logs)).SelectMany(request => request.GetProperty("rows").EnumerateArray()));
        Assert.Equal(("", ""), (log.GetProperty("trace").GetString(), log.GetProperty("span").GetString()));
    }

    [Theory]
    [InlineData("none")]
    [InlineData("gzip")]
    public async Task A_gRPC_server_that_is_not_ours_takes_all_three_signals(string compression)
    {
        await using var receiver = await PythonGrpcReceiver.StartAsync();
        var options = new OtlpOptions { Endpoint = receiver.Endpoint, Spans = true, Compression = Enum.Parse<OtlpCompression>(compression, ignoreCase: true) };
        using var otlp = Some.OtlpMetrics(options);
        using var flows = Some.OtlpFlows(options);
        await flows.StartAsync(CancellationToken.None);
        flows.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowEnd));
        var report = await ReportAsync();

        Assert.True(otlp.Push(report).IsDelivered);
        await flows.StopAsync(CancellationToken.None);

        AssertSame(await PageAsync(report), PrometheusSeries.OfRows(await receiver.RowsAsync("metrics")), 0);
        Assert.Single(await receiver.RowsAsync("logs"));
        Assert.Single(await receiver.RowsAsync("traces"));
    }

    [Fact]
    public async Task VictoriaMetrics_stores_under_the_names_of_the_page_what_the_page_says()
    {
        await using var database = await VictoriaMetricsServer.StartAsync();
        using var otlp = Some.OtlpMetrics(new OtlpOptions { Endpoint = database.Endpoint, Protocol = OtlpProtocol.HttpProtobuf });
        var report = await ReportAsync() with { Time = DateTimeOffset.UtcNow };

        Assert.True(otlp.Push(report).IsDelivered);

        var stored = PrometheusSeries.OfStored(await database.ExportAsync("sockwatch_"));
        AssertSame(await PageAsync(report), stored, 1e-12);
    }

    private static string Text(JsonElement request, string attribute) => request.GetProperty("resource").GetProperty(attribute).GetString()!;

    private static void AssertSame(Dictionary<string, double> page, Dictionary<string, double> other, double tolerance)
    {
        Assert.True(page.Count > 3_000, $"{page.Count}");
        Assert.Equal(page.Keys.Order(StringComparer.Ordinal), other.Keys.Order(StringComparer.Ordinal));
        foreach (var (series, value) in page)
        {
            Assert.Equal(value, other[series], Math.Abs(value) * tolerance);
        }
    }

    private async Task<TrafficReport> ReportAsync()
    {
        var random = new Random(5);
        for (var round = 0; round < 2; round++)
        {
            for (var i = 0; i < 150; i++)
            {
                var edge = Some.Edge($"198.51.{i / 100}.{i % 100}");
                _kernel.Count(edge, new EdgeTotals
                {
                    BytesSent = (ulong)random.NextInt64(1L << 40), BytesReceived = (ulong)random.Next(100), Sends = (ulong)random.Next(50), Receives = 1,
                    Connects = (ulong)random.Next(2), Accepts = 1, Releases = 1, Opened = 3, Closed = 1, Retransmits = (ulong)random.Next(2), ResetsSent = 1,
                });
                var timings = _kernel.Timings.GetValueOrDefault(edge);
                timings.Connect.AddGrowth(Some.Latency((ulong)random.NextInt64(4_000_000_000)), default);
                timings.Rtt.AddGrowth(Some.Latency((ulong)random.NextInt64(1_000_000)), default);
                _kernel.Timings[edge] = timings;
                var refused = new EdgeFailureKey { Edge = edge, Error = 111, Operation = SocketOperation.Connect };
                var failures = _kernel.Failures.GetValueOrDefault(refused);
                failures.Count++;
                failures.Duration.AddGrowth(Some.Latency((ulong)random.NextInt64(1_000_000)), default);
                _kernel.Failures[refused] = failures;
            }

            _time.Advance(TimeSpan.FromSeconds(5));
            await _collector.FreshAsync(CancellationToken.None);
        }

        return _collector.Latest!;
    }

    private static async Task<Dictionary<string, double>> PageAsync(TrafficReport report)
    {
        using var exporter = new PrometheusExporter(new BuildInfo("0.1.0", "6.18.0"), new ExportFailures());
        using var page = new MemoryStream();
        await exporter.RenderAsync(report, page, ExpositionFormat.PrometheusText, CancellationToken.None);
        return PrometheusSeries.OfPage(Encoding.UTF8.GetString(page.ToArray()));
    }
}
