using System.Text.Json;
using Sockwatch.KernelTests.Agents;
using Sockwatch.KernelTests.Truth;

namespace Sockwatch.KernelTests.Load;

/// <summary>A process that takes all it can get, beside one that does not.</summary>
public class FairnessTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("auto")]
    [InlineData("kprobe")]
    public async Task A_process_with_200_000_sockets_pushes_out_nobody(string backend)
    {
        Requires.Bpf();
        Assert.SkipWhen(backend == "kprobe" && !File.Exists("/sys/kernel/tracing/kprobe_events") && !File.Exists("/sys/kernel/debug/tracing/kprobe_events"), "this kernel has no kprobes");
        var log = Path.Combine(Directory.CreateTempSubdirectory("sockwatch-test-").FullName, "flows");
        await using var agent = await RunningAgent.StartAsync("--flow-log", log, "--format", "json", "--backend", backend);

        using var many = LoadProgram.Start("many", "--sockets", "200000");

        // Well into the noise: what is new now finds the table under pressure.
        await Task.Delay(TimeSpan.FromSeconds(5));
        var (truth, _) = await LoadProgram.RunAsync("burst", "--rate", "200", "--seconds", "8");
        using var __ = truth;
        using var noise = JsonDocument.Parse((await many.StandardOutput.ReadLineAsync())!);
        var sent = noise.RootElement.GetProperty("sent").GetInt64();

        var edges = TrueEdge.Of(truth.RootElement);
        var page = await agent.ScrapeUntilAsync(
            page => !edges.SelectMany(edge => edge.Differences(page)).Any() && Sent(page, "many") == sent && Observed(page) == Attributed(page),
            TimeSpan.FromSeconds(15));
        many.StandardInput.Close();
        await many.WaitForExitAsync();
        await agent.StopAsync();

        var connections = truth.RootElement.GetProperty("connections").GetInt64();
        var records = File.ReadLines(log).Where(line => line.Contains("/burst-")).ToList();
        var own = page.Of("sockwatch_socket_io_bytes_total").Where(sample => sample["process_executable_name"] == "many" && sample["peer_name"] == "_overflow").Sum(sample => sample.Value);
        output.WriteLine($"{noise.RootElement.GetRawText()} beside {connections} connections: {own} B of {sent} B in the noisy one's own overflow; "
            + $"the quiet one has {Count("flow.start")} starts and {Count("flow.end")} ends; lost: {page.Losses}");
        Assert.Empty(edges.SelectMany(edge => edge.Differences(page)));
        Assert.Equal(2 * connections, Count("flow.start"));
        Assert.Equal(2 * connections, Count("flow.end"));
        Assert.Equal(sent, Sent(page, "many"));
        Assert.True(own > 0, "the noisy process should have gone over its share of edges");
        Assert.Equal(Observed(page), Attributed(page));
        Assert.Equal(0, page.Lost("edges_full"));

        int Count(string kind) => records.Count(line => line.Contains($"\"event.name\":\"{kind}\""));
        static double Observed(MetricPage page) => page.Sum("sockwatch_observed_bytes_total");
        static double Attributed(MetricPage page) => page.Sum("sockwatch_socket_io_bytes_total");
        static double Sent(MetricPage page, string executable) => page.Sum(
            "sockwatch_socket_io_bytes_total", ("process_executable_name", executable), ("network_io_direction", "transmit"));
    }
}
