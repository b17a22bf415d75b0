using System.Text.Json;
using Sockwatch.KernelTests.Agents;
using Sockwatch.KernelTests.Truth;

namespace Sockwatch.KernelTests.Load;

/// <summary>More than a machine usually sees, and exactly as right.</summary>
public class StormTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(15);

    [Fact]
    public async Task Names_10_000_processes_that_live_for_milliseconds()
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "-", "--format", "json");

        var (truth, _) = await LoadProgram.RunAsync("spawn", "--count", "10000", "--parallel", "8");
        using var __ = truth;
        var page = await AssertExactAsync(agent, truth.RootElement);

        var resident = agent.ResidentBytes;
        await agent.StopAsync();
        var starts = agent.Output.Count(line => line.Contains("\"event.name\":\"flow.start\"") && line.Contains("/one-shot\""));
        var ends = agent.Output.Count(line => line.Contains("\"event.name\":\"flow.end\"") && line.Contains("/one-shot\""));
        output.WriteLine($"10000 processes in {truth.RootElement.GetProperty("seconds").GetDouble():F1} s: {starts} flow.start and {ends} flow.end with their executable; {resident >> 20} MiB resident; lost: {(page.Losses == "" ? "none" : page.Losses)}");
        Assert.Equal(10_000, starts);
        Assert.Equal(10_000, ends);
    }

    [Fact]
    public async Task Tells_apart_processes_of_a_hundred_executables()
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "none");

        var (truth, _) = await LoadProgram.RunAsync("spawn", "--count", "10000", "--parallel", "8", "--distinct");
        using var __ = truth;

        await AssertExactAsync(agent, truth.RootElement);
        Assert.Equal(101, TrueEdge.Of(truth.RootElement).Count);
    }

    [Fact]
    public async Task Counts_5000_connections_a_second_for_a_minute()
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "/dev/null", "--format", "json");
        var before = agent.ResidentBytes;
        var cpuBefore = Cpu(agent);

        var run = LoadProgram.RunAsync("burst", "--rate", "5000", "--seconds", "60");
        var resident = new List<long>();
        while (!run.IsCompleted)
        {
            await Task.WhenAny(run, Task.Delay(TimeSpan.FromSeconds(5)));
            resident.Add(agent.ResidentBytes >> 20);
        }

        var (truth, _) = await run;
        using var __ = truth;
        var cpu = Cpu(agent) - cpuBefore;
        var page = await AssertExactAsync(agent, truth.RootElement);

        output.WriteLine($"{truth.RootElement.GetProperty("connections").GetInt64()} connections in {truth.RootElement.GetProperty("seconds").GetDouble():F1} s; "
            + $"resident {before >> 20} MiB before, then every 5 s {string.Join(' ', resident)} MiB; agent CPU {cpu.TotalSeconds:F1} s with a record of each flow's start and end; lost: {(page.Losses == "" ? "none" : page.Losses)}");
        Assert.True(resident[^1] < resident[2] + 20, "memory grows");
    }

    [Fact]
    public async Task Counts_100_000_open_sockets()
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "none");
        var before = agent.ResidentBytes;

        using var hold = LoadProgram.Start("hold", "--sockets", "50000");
        Assert.Equal("{\"ready\":true}", await hold.StandardOutput.ReadLineAsync());
        using (var held = JsonDocument.Parse((await hold.StandardOutput.ReadLineAsync())!))
        {
            var open = await AssertExactAsync(agent, held.RootElement);
            var sockets = open.Sum("sockwatch_connections_open", ("process_executable_name", "hold"));
            output.WriteLine($"{sockets} sockets open: collected in {open.Sum("sockwatch_collection_duration_seconds") * 1000:F0} ms, resident {before >> 20} -> {agent.ResidentBytes >> 20} MiB");
            Assert.Equal(100_000, sockets);
        }

        hold.StandardInput.Close();
        using var truth = JsonDocument.Parse((await hold.StandardOutput.ReadToEndAsync())!);
        var page = await AssertExactAsync(agent, truth.RootElement);
        Assert.Equal(0, page.Sum("sockwatch_connections_open", ("process_executable_name", "hold")));
    }

    [Fact]
    public async Task Keeps_sums_true_past_the_limit_of_edges()
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "none", "--config", Some.ConfigurationFile("kernel: { maxEdges: 20 }"));

        var (truth, _) = await LoadProgram.RunAsync("spawn", "--count", "10000", "--parallel", "4", "--distinct");
        using var __ = truth;
        var edges = TrueEdge.Of(truth.RootElement);
        var sent = (double)edges.Sum(edge => edge.BytesSent);
        var page = await agent.ScrapeUntilAsync(page => Sent(page) >= sent && Observed(page) == Attributed(page), Settle);

        var overflow = page.Of("sockwatch_socket_io_bytes_total").Where(sample => sample["peer_name"] == "_overflow").Sum(sample => sample.Value);
        output.WriteLine($"{edges.Count} edges, room for 20: {overflow} B of {Attributed(page)} B in the overflow series; lost: {page.Losses}");
        Assert.True(overflow > 0);
        Assert.Contains("kernel/edges_full", page.Losses);
        Assert.Equal(Observed(page), Attributed(page));
        Assert.True(Sent(page) >= sent);

        static double Sent(MetricPage page) => page.Sum("sockwatch_socket_io_bytes_total", ("network_io_direction", "transmit"));
        static double Attributed(MetricPage page) => page.Sum("sockwatch_socket_io_bytes_total");
        static double Observed(MetricPage page) => page.Sum("sockwatch_observed_bytes_total");
    }

    [Fact]
    public async Task Counts_each_record_that_finds_no_room_in_the_ring()
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "-", "--format", "json", "--config", Some.ConfigurationFile("kernel: { ringBytes: 64KiB }"));

        var (truth, _) = await LoadProgram.RunAsync("burst", "--rate", "4000", "--seconds", "3");
        using var __ = truth;
        var edges = TrueEdge.Of(truth.RootElement);
        var page = await agent.ScrapeUntilAsync(page => !edges.SelectMany(edge => edge.Differences(page)).Any(), Settle);
        await agent.StopAsync();

        var connections = truth.RootElement.GetProperty("connections").GetInt64();
        var written = agent.Output.Count(line => line.Contains("\"flow.start\"") && line.Contains("burst-")) + agent.Output.Count(line => line.Contains("\"flow.end\"") && line.Contains("burst-"));
        var lost = page.Lost("ring_full") + page.Lost("records_quota");
        output.WriteLine($"{connections} connections make {4 * connections} records: {written} written, {lost} counted as lost; metrics exact all the same");
        Assert.Empty(edges.SelectMany(edge => edge.Differences(page)));
        Assert.True(lost > 0, "a ring of 64 KiB should have been too small");
        Assert.True(written + lost >= 4 * connections, $"{(4 * connections) - written - lost} records neither written nor counted");
    }

    private static TimeSpan Cpu(RunningAgent agent)
    {
        agent.Process.Refresh();
        return agent.Process.TotalProcessorTime;
    }

    private static async Task<MetricPage> AssertExactAsync(RunningAgent agent, JsonElement scenario)
    {
        var edges = TrueEdge.Of(scenario);
        var page = await agent.ScrapeUntilAsync(page => !edges.SelectMany(edge => edge.Differences(page)).Any(), Settle);
        var differences = string.Join('\n', edges.SelectMany(edge => edge.Differences(page)));
        Assert.True(differences == "" && page.Losses == "", $"{differences}\nlost: {page.Losses}");
        return page;
    }
}
