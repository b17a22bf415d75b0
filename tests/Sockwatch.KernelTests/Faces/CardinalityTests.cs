using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using Sockwatch.KernelTests.Agents;
using Sockwatch.Tests.Exporters.Otlp;

namespace Sockwatch.KernelTests.Faces;

/// <summary>
/// More peers than anybody has room for, from a real socket, under the memory limit of the chart. SOCKWATCH_PEERS sets how many
/// there are; docs/performance.md has the numbers of a million.
/// </summary>
public sealed class CardinalityTests(ITestOutputHelper output)
{
    private const int Budget = 10_000;
    private const long MemoryLimit = 512L << 20;

    private static readonly int Peers = int.Parse(Environment.GetEnvironmentVariable("SOCKWATCH_PEERS") ?? "100000", CultureInfo.InvariantCulture);

    [Fact]
    public async Task Distinct_peers_by_the_million_stay_within_the_budget_and_the_memory_and_lose_no_byte()
    {
        Requires.Bpf();
        await using var receiver = await OtlpReceiver.StartAsync(grpc: true);
        using var memory = MemoryCgroup.Limit(MemoryLimit);
        await using var agent = await RunningAgent.StartInAsync(
            memory, "--flow-log", "none", "--otlp-endpoint", receiver.Endpoint,
            "--config", Some.ConfigurationFile("aggregation: { peerAddressBits4: 32 }\notlp: { interval: 5s, logs: false }\n"));
        var before = agent.ResidentBytes;

        var run = LoadProgram.RunAsync("peers", "--count", $"{Peers}", "--bytes", "10");
        var (slowest, mostSeries, resident) = (TimeSpan.Zero, 0.0, 0L);
        while (!run.IsCompleted)
        {
            await Task.WhenAny(run, Task.Delay(500));
            var clock = Stopwatch.StartNew();
            var soFar = await agent.ScrapeAsync();
            slowest = clock.Elapsed > slowest ? clock.Elapsed : slowest;
            mostSeries = Math.Max(mostSeries, soFar.Of("sockwatch_series").Max(series => series.Value));
            resident = Math.Max(resident, agent.ResidentBytes);
        }

        var (truth, _) = await run;
        using var __ = truth;
        var page = await agent.ScrapeUntilAsync(page => Sent(page) >= 10.0 * Peers && Observed(page) == Attributed(page), TimeSpan.FromSeconds(15));

        // A fast machine is done before the first scrape sees anything.
        mostSeries = Math.Max(mostSeries, page.Of("sockwatch_series").Max(series => series.Value));
        resident = Math.Max(resident, agent.ResidentBytes);
        await agent.StopAsync();
        var last = receiver.Points.Where(point => point.Name == "sockwatch.socket.io").GroupBy(point => point.TimeNs).MaxBy(push => push.Key)!.ToList();
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{Peers:N0} peers in {truth.RootElement.GetProperty("seconds").GetDouble():0.0} s: at most {mostSeries:N0} series of a metric, budget {Budget:N0}; {page.Sum("sockwatch_series_folded_total"):N0} times folded; slowest scrape {slowest.TotalMilliseconds:0} ms, parsed by the test; page {page.Length / 1e6:0.0} MB; resident {before >> 20} MiB before, at most {resident >> 20} MiB; {memory.Describe()}; lost: {page.Losses}; last push {last.Count:N0} points of io"));

        Assert.InRange(mostSeries, Budget / 2, Budget);
        Assert.InRange(last.Count, 1, Budget);
        Assert.Equal(Observed(page), Attributed(page));
        Assert.InRange(Sent(page), 10.0 * Peers, (10.0 * Peers) + 1_000_000);
        Assert.Equal(0, memory.Kills);
    }

    [Fact]
    public async Task A_hundred_thousand_series_are_scraped_in_no_time()
    {
        Requires.Bpf();
        const int peers = 50_000;
        await using var agent = await RunningAgent.StartAsync(
            "--flow-log", "none", "--config", Some.ConfigurationFile("aggregation: { peerAddressBits4: 32, maxSeries: 60000 }\nlimits: { processShare: 100, containerShare: 100 }\n"));
        var before = agent.ResidentBytes;

        var (truth, _) = await LoadProgram.RunAsync("peers", "--count", $"{peers}");
        truth.Dispose();
        var page = await agent.ScrapeUntilAsync(page => Sent(page) >= 10.0 * peers, TimeSpan.FromSeconds(15));

        Assert.InRange(page.Samples.Count, 100_000, 110_000);
        using var http = new HttpClient();
        for (var round = 1; round <= 3; round++)
        {
            // Later than a second after, so that each has a collection of its own.
            await Task.Delay(1100);
            var allocated = (await agent.ScrapeAsync()).Sum("sockwatch_process_allocated_bytes_total");
            await Task.Delay(1100);
            using var request = new HttpRequestMessage(HttpMethod.Get, $"http://{agent.Address}/metrics");
            request.Headers.Add("Accept-Encoding", round == 3 ? "gzip" : "identity");
            var clock = Stopwatch.StartNew();
            using var answer = await http.SendAsync(request);
            var bytes = await answer.Content.ReadAsByteArrayAsync();
            var took = clock.Elapsed;
            using var plain = new MemoryStream();
            await (round == 3 ? new GZipStream(new MemoryStream(bytes), CompressionMode.Decompress) : (Stream)new MemoryStream(bytes)).CopyToAsync(plain);
            var allocatedAfter = MetricPage.Parse(System.Text.Encoding.UTF8.GetString(plain.ToArray())).Sum("sockwatch_process_allocated_bytes_total");
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{page.Samples.Count:N0} series, scrape {round}{(round == 3 ? ", gzip" : "")}: {took.TotalMilliseconds:0} ms, {bytes.Length / 1e6:0.00} MB, allocated {(allocatedAfter - allocated) / 1e6:0.00} MB between two scrapes; resident {before >> 20} -> {agent.ResidentBytes >> 20} MiB"));
            Assert.InRange(took.TotalSeconds, 0, 5);
        }
    }

    /// <summary>The load program's, its own overflow included, and what is in everybody's, where others may have put a little too.</summary>
    private static double Sent(MetricPage page) => page.Sum("sockwatch_socket_io_bytes_total", ("process_executable_name", "peers"))
        + page.Sum("sockwatch_socket_io_bytes_total", ("peer_name", "_overflow"), ("process_executable_name", ""), ("network_io_direction", "transmit"));

    private static double Attributed(MetricPage page) =>
        page.Sum("sockwatch_socket_io_bytes_total") + page.Sum("sockwatch_series_retired_bytes_total");

    private static double Observed(MetricPage page) => page.Sum("sockwatch_observed_bytes_total");
}
