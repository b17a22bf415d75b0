using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
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
        // Others on this machine send as well: a page may have enough bytes before it has those of the load.
        var page = await agent.ScrapeUntilAsync(
            page => Sent(page) >= sent && Observed(page) == Attributed(page) && page.Lost(reason) > 0, TimeSpan.FromSeconds(8));

        output.WriteLine($"{yaml}: lost {page.Losses}; observed {Observed(page)} B, attributed {Attributed(page)} B");
        Assert.Contains($"kernel/{reason}=", page.Losses);
        Assert.True(Sent(page) >= sent);
        Assert.Equal(Observed(page), Attributed(page));
    }

    [Fact]
    public async Task Listening_ports_that_find_no_room_are_counted()
    {
        Requires.Bpf();
        const int Ports = 17_000;
        const int Room = 16_384;
        await using var agent = await RunningAgent.StartAsync("--flow-log", "none");
        using var listeners = Process.Start(new ProcessStartInfo(
            Requires.Program("unshare", "util-linux"),
            [
                "--net", Requires.Program("python3", "python3"), "-c",
                $"""
                import resource, socket, sys
                most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
                resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
                listeners = [socket.create_server(('', 10000 + i)) for i in range({Ports})]
                print('ready', flush=True)
                sys.stdin.read()
                """,
            ])
        { RedirectStandardInput = true, RedirectStandardOutput = true })!;

        Assert.Equal("ready", await listeners.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken));
        var page = await agent.ScrapeUntilAsync(page => page.Lost("ports_full") >= Ports - Room, TimeSpan.FromSeconds(8));
        listeners.StandardInput.Close();
        await listeners.WaitForExitAsync(TestContext.Current.CancellationToken);

        // Others listen on this machine, too, and have some of the room.
        output.WriteLine($"{Ports} ports listened on: lost {page.Losses}");
        Assert.InRange(page.Lost("ports_full"), Ports - Room, Ports - Room + 1000);
    }

    [Theory]
    [InlineData("sockets_quota", "kernel: { maxSockets: 1024, backend: kprobe }")]
    [InlineData("udp_flows_quota", "kernel: { maxUdpFlows: 1024 }")]
    public async Task A_process_with_its_share_loses_detail_and_no_byte(string reason, string yaml)
    {
        Requires.Bpf();
        Assert.SkipWhen(yaml.Contains("kprobe") && !HasKprobes, "this kernel has no kprobes");
        await using var agent = await RunningAgent.StartAsync("--flow-log", "none", "--config", Some.ConfigurationFile(yaml));
        var sockets = new List<Socket>();
        const int Peers = 1500;
        using var one = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        for (var i = 0; i < Peers; i++)
        {
            var socket = reason == "udp_flows_quota" ? one : new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            sockets.Add(socket);
            socket.SendTo(new byte[10], Peer(i));
        }

        var page = await agent.ScrapeUntilAsync(
            page => page.Lost(reason) > 0 && Sent(page, s_self) >= Peers * 10 && Observed(page) == Attributed(page), TimeSpan.FromSeconds(8));
        sockets.ForEach(socket => socket.Dispose());

        output.WriteLine($"{yaml}: lost {page.Losses}; observed {Observed(page)} B, attributed {Attributed(page)} B");
        Assert.InRange(page.Lost(reason), 900, Peers);
        Assert.Equal(Peers * 10, Sent(page, s_self));
        Assert.Equal(Observed(page), Attributed(page));
        Assert.DoesNotContain("_full", page.Losses);
    }

    [Theory]
    [InlineData("limits: { processShare: 25 }")]
    [InlineData("limits: { processShare: 100, containerShare: 25 }")]
    public async Task Failures_beyond_the_share_of_a_process_or_its_container_count_in_its_overflow(string yaml)
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync(
            "--flow-log", "none", "--config", Some.ConfigurationFile(yaml + "\nkernel: { maxEdges: 4096 }"));
        const int Failures = 700;

        // It has asked whether the agent answers before that did.
        var before = Failed(await agent.ScrapeAsync());
        for (var i = 0; i < Failures; i++)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            Assert.Throws<SocketException>(() => socket.Connect(Peer(i)));
        }

        var page = await agent.ScrapeUntilAsync(page => Failed(page) >= before + Failures && page.Lost("failures_quota") > 0, TimeSpan.FromSeconds(8));

        output.WriteLine($"{yaml}: {Failed(page)} failures, lost {page.Losses}");
        Assert.Equal(before + Failures, Failed(page));
        Assert.InRange(page.Lost("failures_quota"), 100, Failures - 500);
        Assert.Equal(page.Lost("failures_quota"), Failed(page, ("peer_name", "_overflow")));
        Assert.Equal(0, page.Lost("failures_full"));

        static double Failed(MetricPage page, params (string, string)[] also) => page.Sum(
            "sockwatch_socket_operations_total", [("process_executable_name", s_self), ("socket_operation", "connect"), ("error_type", "connection_refused"), .. also]);
    }

    [Fact]
    public async Task Two_processes_of_one_container_share_what_it_may_have()
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync(
            "--flow-log", "none", "--config", Some.ConfigurationFile("limits: { processShare: 60, containerShare: 30 }\nkernel: { maxEdges: 4096 }"));

        // Neither has 60 % of the table, both together have more than 30 %.
        using var many = LoadProgram.Start("many", "--sockets", "1300");
        await many.StandardOutput.ReadLineAsync();
        using (var one = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp))
        {
            for (var i = 0; i < 1300; i++)
            {
                one.SendTo(new byte[10], Peer(i));
            }
        }

        var page = await agent.ScrapeUntilAsync(
            page => page.Lost("edges_quota") > 0 && Sent(page, s_self) >= 13_000 && Sent(page, "many") >= 13_000 && Observed(page) == Attributed(page), TimeSpan.FromSeconds(8));
        many.StandardInput.Close();
        await many.WaitForExitAsync();

        output.WriteLine($"lost {page.Losses}; {Sent(page, s_self)} B and {Sent(page, "many")} B");
        Assert.Equal((13_000, 13_000), (Sent(page, s_self), Sent(page, "many")));
        Assert.InRange(page.Lost("edges_quota"), 300, 800);
        Assert.Equal(0, page.Lost("edges_full"));
        Assert.Equal(Observed(page), Attributed(page));
    }

    private static readonly string s_self = Path.GetFileName(Environment.ProcessPath!);

    private static bool HasKprobes => File.Exists("/sys/kernel/tracing/kprobe_events") || File.Exists("/sys/kernel/debug/tracing/kprobe_events");

    // Nobody is there.
    private static IPEndPoint Peer(int i) => new(new IPAddress([127, 130, (byte)(i >> 8), (byte)i]), 9);

    private static double Sent(MetricPage page) => page.Sum("sockwatch_socket_io_bytes_total", ("network_io_direction", "transmit"));

    // Of an overflow the transport is not known; what is sent by TCP are this process's own scrapes.
    private static double Sent(MetricPage page, string executable) => page.Of("sockwatch_socket_io_bytes_total")
        .Where(sample => sample["process_executable_name"] == executable && sample["network_io_direction"] == "transmit" && sample["network_transport"] != "tcp")
        .Sum(sample => sample.Value);

    private static double Attributed(MetricPage page) => page.Sum("sockwatch_socket_io_bytes_total");

    private static double Observed(MetricPage page) => page.Sum("sockwatch_observed_bytes_total");
}
