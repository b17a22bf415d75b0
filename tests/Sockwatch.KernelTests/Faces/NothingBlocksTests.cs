using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Sockwatch.KernelTests.Agents;
using Sockwatch.KernelTests.Truth;

namespace Sockwatch.KernelTests.Faces;

/// <summary>Everybody on the other side misbehaves at once, and the one who does not has all there is, at once.</summary>
public sealed class NothingBlocksTests(ITestOutputHelper output)
{
    [Fact]
    public async Task A_receiver_that_hangs_and_a_scraper_that_crawls_cost_the_others_nothing()
    {
        Requires.Bpf();
        using var hanging = new TcpListener(IPAddress.Loopback, 0);
        var path = Path.Combine(Directory.CreateTempSubdirectory("sockwatch-test-").FullName, "flows.json");
        await using var agent = await StartAsync(hanging, path, "otlp: { interval: 500ms, timeout: 1s, spans: true, queueLength: 1000 }");
        var before = agent.ResidentBytes;
        using var crawl = new CancellationTokenSource();
        var crawling = Enumerable.Range(0, 4).Select(_ => CrawlAsync(agent.Address, crawl.Token)).ToList();

        var (truth, _) = await LoadProgram.RunAsync("burst", "--rate", "2000", "--seconds", "5");
        using var __ = truth;
        var clock = Stopwatch.StartNew();
        var page = await agent.ScrapeAsync();
        var scrape = clock.Elapsed;
        var edges = TrueEdge.Of(truth.RootElement);
        page = await agent.ScrapeUntilAsync(
            page => !edges.SelectMany(edge => edge.Differences(page)).Any() && page.Sum("sockwatch_export_failures_total", ("reason", "timed_out")) >= 3
                && File.ReadLines(path).Count(IsOfBurst) == 40_000,
            TimeSpan.FromSeconds(15));

        // A page is up to a second old.
        await Task.Delay(1100);
        page = await agent.ScrapeAsync();
        output.WriteLine($"10,000 connections while OTLP hangs and 4 scrapers read a byte a second: scrape {scrape.TotalMilliseconds:0} ms, resident {before >> 20} -> {agent.ResidentBytes >> 20} MiB; lost: {page.Losses}; failures: {string.Join(", ", page.Of("sockwatch_export_failures_total").Where(one => one.Value > 0).Select(one => $"{one["exporter"]}/{one["reason"]}={one.Value}"))}");
        Assert.Empty(edges.SelectMany(edge => edge.Differences(page)));
        Assert.InRange(scrape.TotalSeconds, 0, 3);
        Assert.Equal(40_000, File.ReadLines(path).Count(IsOfBurst));

        // What did not find room in the queues of 1000 is counted, by who lost it and why; the file and the kernel lost nothing.
        Assert.Equal(
            ["otlp_logs/queue_full", "otlp_spans/queue_full"],
            page.Of("sockwatch_lost_records_total").Where(loss => loss.Value > 0).Select(loss => $"{loss["stage"]}/{loss["reason"]}").Order());
        Assert.True(page.Sum("sockwatch_lost_records_total", ("stage", "otlp_logs")) >= 40_000 - 1000 - 512);
        foreach (var exporter in (string[])["otlp_metrics", "otlp_logs", "otlp_spans"])
        {
            Assert.Single(agent.Errors.Split('\n'), line => line.Contains($"{exporter} cannot be delivered", StringComparison.Ordinal));
        }

        // They go on, all of them: the end is the agent's own.
        var took = await agent.StopAsync();
        await crawl.CancelAsync();
        await Task.WhenAll(crawling);
        output.WriteLine($"told to stop meanwhile: exit code {agent.Process.ExitCode} after {took.TotalSeconds:0.0} s");
        Assert.InRange(took.TotalSeconds, 0, 5);
        Assert.Equal(0, agent.Process.ExitCode);
    }

    [Fact]
    public async Task The_end_waits_for_nobody_who_hangs_longer_than_it_has_time()
    {
        Requires.Bpf();
        using var hanging = new TcpListener(IPAddress.Loopback, 0);
        var path = Path.Combine(Directory.CreateTempSubdirectory("sockwatch-test-").FullName, "flows.json");
        await using var agent = await StartAsync(hanging, path, "otlp: { interval: 500ms, timeout: 60s, spans: true }");
        using var crawl = new CancellationTokenSource();
        var crawling = Enumerable.Range(0, 4).Select(_ => CrawlAsync(agent.Address, crawl.Token)).ToList();
        var (truth, _) = await LoadProgram.RunAsync("burst", "--rate", "100", "--seconds", "1");
        using var __ = truth;

        var took = await agent.StopAsync();
        await crawl.CancelAsync();
        await Task.WhenAll(crawling);

        output.WriteLine($"told to stop while requests of 60 s and 4 scrapers hang: exit code {agent.Process.ExitCode} after {took.TotalSeconds:0.0} s");
        Assert.Equal(0, agent.Process.ExitCode);
        Assert.InRange(took.TotalSeconds, 0, 5);
        Assert.DoesNotContain("did not end in time", agent.Errors, StringComparison.Ordinal);
        Assert.Equal(400, File.ReadLines(path).Count(IsOfBurst));
    }

    private static Task<RunningAgent> StartAsync(TcpListener hanging, string path, string configuration)
    {
        hanging.Start();
        return RunningAgent.StartAsync(
            "--flow-log", path, "--otlp-endpoint", $"http://{hanging.LocalEndpoint}", "--config", Some.ConfigurationFile($"{configuration}\n"));
    }

    private static bool IsOfBurst(string line) => line.Contains("/burst-client\"", StringComparison.Ordinal) || line.Contains("/burst-server\"", StringComparison.Ordinal);

    /// <summary>Scrapes with the smallest of windows and reads a byte a second.</summary>
    private static async Task CrawlAsync(string address, CancellationToken until)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 1 };
        await socket.ConnectAsync(IPEndPoint.Parse(address), until);
        await socket.SendAsync("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray(), until);
        try
        {
            while (await socket.ReceiveAsync(new byte[1], until) > 0)
            {
                await Task.Delay(TimeSpan.FromSeconds(1), until);
            }
        }
        catch (Exception ended) when (ended is OperationCanceledException or SocketException)
        {
            // Enough, or the agent's patience was at its end.
        }
    }
}
