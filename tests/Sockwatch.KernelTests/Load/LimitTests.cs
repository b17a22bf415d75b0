using Sockwatch.KernelTests.Agents;
using Sockwatch.KernelTests.Truth;

namespace Sockwatch.KernelTests.Load;

/// <summary>Each bounded map, taken over its bound: what is lost is counted by its reason, and no byte is.</summary>
public class LimitTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("kernel: { maxUdpFlows: 4 }", "udp_flows_full", "truth-client", "udp_many_peers")]
    [InlineData("kernel: { maxExecutables: 3 }", "executables_full", "spawn", "--count", "1000", "--distinct")]
    [InlineData("kernel: { maxProcesses: 3 }", "processes_full", "truth-client", "pre_fork")]
    [InlineData("kernel: { maxEdges: 1 }", "failures_full", "truth-client", "all")]
    public async Task What_finds_no_room_is_counted_and_sums_stay_true(string yaml, string reason, string program, params string[] arguments)
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "none", "--config", Some.ConfigurationFile(yaml));

        var (truth, _) = await LoadProgram.RunAsync(program, arguments);
        using var __ = truth;
        var scenarios = truth.RootElement.ValueKind == System.Text.Json.JsonValueKind.Array
            ? truth.RootElement.EnumerateArray().ToList()
            : [truth.RootElement];
        var sent = scenarios.SelectMany(TrueEdge.Of).Sum(edge => edge.BytesSent);
        var page = await agent.ScrapeUntilAsync(page => Sent(page) >= sent && Observed(page) == Attributed(page), TimeSpan.FromSeconds(8));

        output.WriteLine($"{yaml}: lost {page.Losses}; observed {Observed(page)} B, attributed {Attributed(page)} B");
        Assert.Contains($"kernel/{reason}=", page.Losses);
        Assert.True(Sent(page) >= sent);
        Assert.Equal(Observed(page), Attributed(page));

        static double Sent(MetricPage page) => page.Sum("sockwatch_socket_io_bytes_total", ("network_io_direction", "transmit"));
        static double Attributed(MetricPage page) => page.Sum("sockwatch_socket_io_bytes_total");
        static double Observed(MetricPage page) => page.Sum("sockwatch_observed_bytes_total");
    }
}
