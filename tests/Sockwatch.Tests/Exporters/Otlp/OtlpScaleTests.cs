using System.Diagnostics;
using System.Globalization;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters;
using Sockwatch.Exporters.Otlp;
using Sockwatch.Kernel;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Exporters.Otlp;

/// <summary>The two faces at their limits; the figures are printed for docs and people.</summary>
public sealed class OtlpScaleTests
{
    [Fact]
    public async Task A_million_peers_stay_within_the_budget_on_both_faces_and_lose_no_byte()
    {
        const int peers = 1_000_000;
        const int budget = 5_000;
        var time = new ManualTime();
        var kernel = new FakeKernelTotals { MaxEdges = 65_536 };
        var table = Some.TrafficTable(new NamesByAddress(), time, maxSeries: budget, edgeTtl: TimeSpan.FromSeconds(10), seriesTtl: TimeSpan.FromSeconds(30));
        using var collector = Some.TrafficCollector(kernel, time, table);
        using var prometheus = new PrometheusExporter(new BuildInfo("0.1.0", "6.18.0"), new ExportFailures());
        await using var receiver = await OtlpReceiver.StartAsync(grpc: true);
        using var otlp = Some.OtlpMetrics(new OtlpOptions { Endpoint = receiver.Endpoint });
        var sent = 0UL;
        var address = new byte[16];
        address[15] = 0x20;
        var most = TimeSpan.Zero;
        for (var i = 0; i < peers; i++)
        {
            BitConverter.TryWriteBytes(address, i + 1);
            var bytes = (ulong)(i % 1400) + 1;
            sent += bytes;
            kernel.Count(Some.Edge() with { PeerAddress = new Address16(address), NetworkType = 6 }, Some.Bytes(bytes));
            if (i % 100_000 != 99_999)
            {
                continue;
            }

            time.Advance(TimeSpan.FromSeconds(20));
            var report = await collector.FreshAsync(CancellationToken.None);
            receiver.Metrics.Clear();
            otlp.Push(report);
            var clock = Stopwatch.StartNew();
            using var page = new PageBuffer();
            await prometheus.RenderAsync(report, page, ExpositionFormat.PrometheusText, CancellationToken.None);
            most = clock.Elapsed > most ? clock.Elapsed : most;

            var io = receiver.Points.Where(point => point.Name == "sockwatch.socket.io").ToList();
            Assert.InRange(report.Series.Length, 1, budget);
            Assert.Equal(report.Series.Length, io.Count);
            Assert.Equal(sent, (ulong)io.Sum(point => point.Value) + report.Retired.Transmitted);
            Assert.InRange(otlp.Remembered, 0, budget);
        }

        Print($"1,000,000 peers, budget {budget}: slowest page {most.TotalMilliseconds:0} ms, resident {Environment.WorkingSet / 1e6:0} MB, managed {GC.GetTotalMemory(true) / 1e6:0} MB");
    }

    [Fact]
    public async Task A_hundred_thousand_series_are_scraped_and_pushed()
    {
        const int count = 100_000;
        var before = GC.GetTotalMemory(true);
        var series = Enumerable.Range(1, count).Select(i => new TrafficSeries(
            i, Some.Attributes(peer: $"peer-{i}"), DateTimeOffset.UnixEpoch, Some.Bytes((ulong)i), 0, null, [])).ToArray();
        var report = TrafficReport.Empty with { Series = [.. series] };
        var reported = GC.GetTotalMemory(true);
        using var prometheus = new PrometheusExporter(new BuildInfo("0.1.0", "6.18.0"), new ExportFailures());
        for (var round = 1; round <= 2; round++)
        {
            using var page = new PageBuffer();
            var allocated = GC.GetTotalAllocatedBytes();
            var clock = Stopwatch.StartNew();
            await prometheus.RenderAsync(report, page, ExpositionFormat.PrometheusText, CancellationToken.None);
            Print($"100,000 series, scrape {round}: {clock.ElapsedMilliseconds} ms, {page.Length / 1e6:0.0} MB, allocated {(GC.GetTotalAllocatedBytes() - allocated) / 1e6:0.0} MB");
        }

        var scraped = GC.GetTotalMemory(true);
        await using var receiver = await OtlpReceiver.StartAsync(grpc: true);
        using var otlp = Some.OtlpMetrics(new OtlpOptions { Endpoint = receiver.Endpoint });
        for (var round = 1; round <= 2; round++)
        {
            receiver.Metrics.Clear();
            var allocated = GC.GetTotalAllocatedBytes();
            var clock = Stopwatch.StartNew();
            otlp.Push(report);
            Print($"100,000 series, push {round}: {clock.ElapsedMilliseconds} ms, {receiver.Metrics.Sum(one => one.Length) / 1e6:0.0} MB in {receiver.Metrics.Count} requests, largest {receiver.Metrics.Max(one => one.Length) / 1e6:0.00} MB, allocated with the receiver {(GC.GetTotalAllocatedBytes() - allocated) / 1e6:0.0} MB");
        }

        Assert.Equal((double)count * (count + 1) / 2, receiver.Points.Where(point => point.Name == "sockwatch.socket.io").Sum(point => point.Value));
        Assert.True(receiver.Metrics.Max(one => one.Length) < 4 * 1024 * 1024, "more than a gRPC server takes by default");
        receiver.Metrics.Clear();
        Print($"100,000 series, managed memory: report {(reported - before) / 1e6:0} MB, page {(scraped - reported) / 1e6:0} MB, OTLP {(GC.GetTotalMemory(true) - scraped) / 1e6:0} MB; resident {Environment.WorkingSet / 1e6:0} MB");
    }

    [Fact]
    public async Task A_histogram_of_a_million_samples_costs_what_one_of_a_single_sample_does()
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: false);
        using var otlp = Some.OtlpMetrics(new OtlpOptions { Endpoint = receiver.Endpoint, Protocol = OtlpProtocol.HttpProtobuf });
        var timings = new EdgeTimings();
        timings.Connect.Buckets[3] = 1_000_000;
        timings.Connect.SumNs = 1_000_000UL * 300_000;
        otlp.Push(TrafficReport.Empty);
        receiver.Metrics.Clear();
        var clock = Stopwatch.StartNew();

        otlp.Push(TrafficReport.Empty with
        {
            Series = [new TrafficSeries(1, Some.Attributes(), DateTimeOffset.UnixEpoch, default, 0, new TrafficTimings(timings), [])],
        });

        Print($"1,000,000 samples of a histogram: {clock.ElapsedMilliseconds} ms");
        var point = receiver.Points.Single(point => point.Name == "sockwatch.connect.duration");
        Assert.Equal(1_000_000UL, point.Buckets[3]);
        Assert.Equal(300.0, point.Value);
        Assert.InRange(clock.ElapsedMilliseconds, 0, 2_000);
    }

    private static void Print(FormattableString text) =>
        TestContext.Current.SendDiagnosticMessage(text.ToString(CultureInfo.InvariantCulture));
}
