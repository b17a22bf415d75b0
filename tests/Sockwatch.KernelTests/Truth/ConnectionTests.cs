using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.Truth;

/// <summary>What the metrics say of connections beside their bytes, against what the kernel says of itself.</summary>
public class ConnectionTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Histograms_count_every_connection_and_its_sum_is_the_time_it_took()
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "-", "--format", "json");

        var (truth, _) = await LoadProgram.RunAsync("truth-client", "many", "--family", "4");
        var connections = TrueEdge.Of(truth.RootElement).Single(edge => edge.Role == "client").Operations[("connect", "")];
        truth.Dispose();
        (string, string)[] client = [("process_executable_name", "truth-client")];
        var page = await agent.ScrapeUntilAsync(page => page.Sum("sockwatch_connection_duration_seconds_count", client) == connections, TimeSpan.FromSeconds(8));
        await agent.StopAsync();

        var ends = agent.Output.Where(line => line.Contains("\"event.name\":\"flow.end\"") && line.Contains("\"process.executable.name\":\"truth-client\""))
            .Select(line => JsonDocument.Parse(line).RootElement).ToList();
        var lifetimes = ends.Sum(end => end.GetProperty("flow.duration").GetDouble());
        var handshakes = ends.Sum(end => end.GetProperty("flow.connect_duration").GetDouble());
        output.WriteLine($"{connections} connections: lifetimes {page.Sum("sockwatch_connection_duration_seconds_sum", client):F6} s in the metrics, {lifetimes:F6} s in the records; "
            + $"handshakes {page.Sum("sockwatch_connect_duration_seconds_sum", client):F6} s and {handshakes:F6} s; {page.Sum("sockwatch_tcp_rtt_seconds_count", client)} round trips, mean {page.Sum("sockwatch_tcp_rtt_seconds_sum", client) / page.Sum("sockwatch_tcp_rtt_seconds_count", client) * 1e6:F0} µs");
        Assert.Equal(connections, page.Sum("sockwatch_connect_duration_seconds_count", client));
        Assert.Equal(connections, page.Sum("sockwatch_connection_duration_seconds_count", client));
        Assert.Equal(lifetimes, page.Sum("sockwatch_connection_duration_seconds_sum", client), 3);
        Assert.Equal(handshakes, page.Sum("sockwatch_connect_duration_seconds_sum", client), 3);
        Assert.True(page.Sum("sockwatch_tcp_rtt_seconds_count", client) >= connections);
    }

    [Fact]
    public async Task Resets_are_counted_on_the_side_that_sends_and_the_side_that_gets_them()
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "none");

        var (truth, _) = await LoadProgram.RunAsync("truth-client", "reset", "--family", "4");
        var connections = TrueEdge.Of(truth.RootElement).Single(edge => edge.Role == "client").Operations[("connect", "")];
        truth.Dispose();

        var page = await agent.ScrapeUntilAsync(page => Resets(page, "transmit") == connections && Resets(page, "receive") == connections, TimeSpan.FromSeconds(8));
        output.WriteLine($"{connections} connections reset: {Resets(page, "transmit")} sent, {Resets(page, "receive")} received");
        Assert.Equal(connections, Resets(page, "transmit"));
        Assert.Equal(connections, Resets(page, "receive"));

        static double Resets(MetricPage page, string direction) => page.Of("sockwatch_tcp_resets_total")
            .Where(sample => sample["process_executable_name"].StartsWith("truth-") && sample["network_io_direction"] == direction)
            .Sum(sample => sample.Value);
    }

    [Fact]
    public async Task Overflows_of_a_listener_and_resent_segments_are_those_the_kernel_counts()
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "none");
        var (overflowsBefore, retransmitsBefore) = Kernel();

        // Nobody accepts: the queue takes two, the others' SYNs are dropped and sent again.
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1);
        var clients = Enumerable.Range(0, 8).Select(_ => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)).ToList();
        var connects = clients.Select(client => client.ConnectAsync(listener.LocalEndPoint!)).ToList();
        await Task.Delay(TimeSpan.FromSeconds(2.5));
        clients.ForEach(client => client.Dispose());
        listener.Dispose();
        await Task.WhenAll(connects.Select(connect => connect.ContinueWith(_ => { }, TaskScheduler.Default)));

        var (overflowsAfter, retransmitsAfter) = Kernel();
        var page = await agent.ScrapeUntilAsync(page => page.Sum("sockwatch_listen_overflows_total") == overflowsAfter - overflowsBefore, TimeSpan.FromSeconds(8));
        output.WriteLine($"overflows: kernel {overflowsAfter - overflowsBefore}, metric {page.Sum("sockwatch_listen_overflows_total")}; "
            + $"retransmits: kernel {retransmitsAfter - retransmitsBefore}, metric {page.Sum("sockwatch_tcp_retransmits_total")}");
        Assert.True(overflowsAfter > overflowsBefore, "the listener should have overflowed");
        Assert.Equal(overflowsAfter - overflowsBefore, page.Sum("sockwatch_listen_overflows_total"));
        Assert.Equal(retransmitsAfter - retransmitsBefore, page.Sum("sockwatch_tcp_retransmits_total"));
    }

    [Fact]
    public async Task Connections_that_were_there_before_have_their_owner_and_role()
    {
        Requires.Bpf();
        using var hold = LoadProgram.Start("hold", "--sockets", "1000");
        Assert.Equal("{\"ready\":true}", await hold.StandardOutput.ReadLineAsync());
        await hold.StandardOutput.ReadLineAsync();

        await using var agent = await RunningAgent.StartAsync("--flow-log", "-", "--format", "json");
        var before = await agent.ScrapeAsync();
        hold.StandardInput.Close();
        await hold.WaitForExitAsync();
        var after = await agent.ScrapeUntilAsync(page => page.Sum("sockwatch_connections_open", ("process_executable_name", "hold")) == 0, TimeSpan.FromSeconds(8));
        await agent.StopAsync();

        foreach (var role in new[] { "client", "server" })
        {
            Assert.Equal(1000, before.Sum("sockwatch_connections_open", ("process_executable_name", "hold"), ("network_role", role)));
            Assert.Equal(1000, after.Sum("sockwatch_socket_operations_total", ("process_executable_name", "hold"), ("network_role", role), ("socket_operation", "release")));
        }

        // Bytes from before are not ours to count; the end of the stream that each server read on closing is.
        Assert.Equal(0, after.Sum("sockwatch_socket_io_bytes_total", ("process_executable_name", "hold")));
        Assert.Equal(2000, agent.Output.Count(line => line.Contains("\"event.name\":\"flow.start\"") && line.Contains("\"flow.attribution\":\"adopted\"") && line.Contains("/hold\"")));
        output.WriteLine("2000 sockets adopted, none twice");
    }

    [Fact]
    public async Task Sockets_that_were_there_before_are_exact_from_the_start_on()
    {
        Requires.Bpf();
        using var before = LoadProgram.Start("before", "--connections", "1000", "--datagrams", "50");
        var processes = await before.StandardOutput.ReadLineAsync();

        await using var agent = await RunningAgent.StartAsync("--flow-log", "-", "--format", "json");
        before.StandardInput.Close();
        var sockets = new OlderSockets($"{processes}\n{await before.StandardOutput.ReadLineAsync()}");
        await before.WaitForExitAsync();
        var page = await agent.ScrapeUntilAsync(page => !sockets.Edges.SelectMany(edge => edge.Differences(page)).Any(), TimeSpan.FromSeconds(8));
        await agent.StopAsync();

        output.WriteLine(sockets.ToString());
        Assert.Empty(sockets.Differences(page, FlowStart.Of(agent.Output, "before")));
        Assert.Equal("", page.Losses);
    }

    [Fact]
    public async Task Sockets_born_while_the_agent_starts_are_counted_once()
    {
        Requires.Bpf();
        using var burst = LoadProgram.Start("burst", "--rate", "1000", "--seconds", "8");
        var truth = burst.StandardOutput.ReadToEndAsync();
        await Task.Delay(TimeSpan.FromSeconds(1));

        await using var agent = await RunningAgent.StartAsync("--flow-log", "-", "--format", "json");
        await burst.WaitForExitAsync();
        Assert.True(burst.ExitCode == 0, await burst.StandardError.ReadToEndAsync());
        var connections = TrueEdge.Of(JsonElement.Parse(await truth)).Single(edge => edge.Role == "client").Operations[("connect", "")];
        await agent.ScrapeUntilAsync(page => Open(page) == 0, TimeSpan.FromSeconds(8));
        var page = await agent.ScrapeAsync();
        await agent.StopAsync();

        var records = agent.Output.Where(line => line.Contains("\"process.executable.name\":\"burst-")).Select(line => JsonElement.Parse(line))
            .Select(record => (Event: record.GetProperty("event.name").GetString(), Id: record.GetProperty("flow.id").GetString())).ToList();
        var starts = records.Where(record => record.Event == "flow.start").Select(record => record.Id).ToList();
        var ends = records.Where(record => record.Event == "flow.end").Select(record => record.Id).ToList();
        output.WriteLine($"{connections} connections, of which {starts.Count / 2} with both ends since the start; {ends.Count} ends");
        Assert.Equal(0, Open(page));
        Assert.Equal(starts.Count, starts.Distinct().Count());
        Assert.Equal(ends.Count, ends.Distinct().Count());
        Assert.Equal([], starts.Except(ends));
        Assert.Equal([], ends.Except(starts));
        Assert.InRange(starts.Count, 1, 2 * connections);

        static double Open(MetricPage page) => page.Of("sockwatch_connections_open")
            .Where(sample => sample["process_executable_name"].StartsWith("burst-")).Sum(sample => sample.Value);
    }

    private static (long Overflows, long Retransmits) Kernel() => (Counter("/proc/net/netstat", "TcpExt", "ListenOverflows"), Counter("/proc/net/snmp", "Tcp", "RetransSegs"));

    private static long Counter(string file, string group, string name)
    {
        var lines = File.ReadLines(file).Where(line => line.StartsWith($"{group}:")).Select(line => line.Split(' ')).ToList();
        return long.Parse(lines[1][Array.IndexOf(lines[0], name)]);
    }
}
