using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.Control;

/// <summary>A trace through the running agent shows what one by itself shows, whatever happens to the agent.</summary>
public class AttachedTraceTests(ITestOutputHelper output)
{
    private static readonly string Self = Environment.ProcessId.ToString(CultureInfo.InvariantCulture);

    [Theory]
    [InlineData("none")]
    [InlineData("-")]
    public async Task Shows_the_same_lines_as_one_by_itself(string flowLog)
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", flowLog);
        await using var attached = RunningTrace.Start(agent.StateDirectory, "--pid", Self);
        await using var alone = RunningTrace.Start(agent.StateDirectory, "--pid", Self, "--standalone");
        await attached.SeesAsync(() => SendTo(9), line => line.Contains(":9 ", StringComparison.Ordinal));
        await alone.SeesAsync(() => SendTo(9), line => line.Contains(":9 ", StringComparison.Ordinal));

        // Another trace comes and goes: that is none of the first one's business.
        await using (var third = RunningTrace.Start(agent.StateDirectory, "--pid", Self))
        {
            await third.SeesAsync(() => SendTo(9), line => line.Contains(":9 ", StringComparison.Ordinal));
        }

        var sockets = Traffic(rounds: 5);
        await attached.SeesAsync(() => { }, line => line.Contains("RELEASE", StringComparison.Ordinal) && Is(line, sockets[^1]));
        await alone.SeesAsync(() => { }, line => line.Contains("RELEASE", StringComparison.Ordinal) && Is(line, sockets[^1]));
        await attached.StopAsync();
        await alone.StopAsync();

        var shown = Of(attached, sockets);
        output.WriteLine($"{shown.Count} lines, such as\n{string.Join('\n', shown.Take(12))}");
        Assert.Equal(Of(alone, sockets), shown);

        // A round: TCP over v4 and v6, both ends; UDP to A, A, B, A and its two receivers; one refused.
        Assert.Equal(5 * (8 + 4 + 2 + 1), shown.Count);
        Assert.Equal("", attached.Errors);
        Assert.Equal("", alone.Errors);
    }

    [Fact]
    public async Task Goes_on_with_the_next_agent_and_says_so_once()
    {
        Requires.Bpf();
        var state = Directory.CreateTempSubdirectory("sockwatch-test-");
        await using var trace = await RestartAsync(state);
        var errors = trace.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries);

        Assert.Equal(0, await trace.StopAsync());
        Assert.Equal(["sockwatch: the agent has ended; the trace goes on when it is back"], errors);
    }

    [Fact]
    public async Task Of_a_UDP_socket_with_many_peers_the_filters_leave_out_those_they_name_and_no_others()
    {
        Requires.Bpf();
        var state = Directory.CreateTempSubdirectory("sockwatch-test-");
        await using var agent = await RunningAgent.StartInAsync(state, ("SOCKWATCH__FLOWLOG__TARGET", "none"), ("SOCKWATCH__FILTERS__EXCLUDEPORTS", "19"));
        await using var trace = RunningTrace.Start(agent.StateDirectory, "--pid", Self);
        await trace.SeesAsync(() => SendTo(9), line => line.Contains(":9 ", StringComparison.Ordinal));

        foreach (var ports in (int[][])[[19, 20, 19, 20], [21, 19, 21, 19]])
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            foreach (var port in ports)
            {
                socket.SendTo([1], new IPEndPoint(IPAddress.Loopback, port));
            }
        }

        await trace.SeesAsync(() => SendTo(22), line => line.Contains(":22 ", StringComparison.Ordinal));
        Assert.Equal((0, 2, 2), (Sends(19), Sends(20), Sends(21)));

        int Sends(int port) => trace.Lines.Count(line => line.Contains(" SEND ", StringComparison.Ordinal) && line.Contains($":{port} ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Ends_after_so_many_lines_or_after_its_time()
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "none");
        await using var counted = RunningTrace.Start(agent.StateDirectory, "--pid", Self, "--operation", "send", "--count", "3");
        await counted.SeesAsync(() => SendTo(9), line => line.Contains("SEND", StringComparison.Ordinal));
        while (counted.Lines.Count < 3)
        {
            SendTo(9);
            await Task.Delay(50);
        }

        Assert.Equal(0, await counted.EndAsync());
        Assert.Equal(3, counted.Lines.Count);
        var clock = Stopwatch.StartNew();
        var timed = await Shell.RunAsync(
            Repository.Agent, ["trace", "--for", "300ms"], new Dictionary<string, string> { ["SOCKWATCH__STATEDIRECTORY"] = agent.StateDirectory });
        Assert.Equal((0, ""), (timed.ExitCode, timed.Errors));
        Assert.InRange(clock.Elapsed, TimeSpan.FromMilliseconds(300), TimeSpan.FromSeconds(8));
    }

    [Fact]
    public async Task Follows_the_children_of_a_process_however_short_they_live()
    {
        Requires.Bpf();
        var curl = Requires.Program("curl", "curl");
        await using var agent = await RunningAgent.StartAsync("--flow-log", "none");
        using var shell = Process.Start(new ProcessStartInfo("/bin/sh") { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        var pid = shell.Id.ToString(CultureInfo.InvariantCulture);
        await using var family = RunningTrace.Start(agent.StateDirectory, "--pid", pid, "--operation", "connect");
        await using var only = RunningTrace.Start(agent.StateDirectory, "--pid", pid, "--no-children");
        await using var other = RunningTrace.Start(agent.StateDirectory, "--pid", Self);
        await other.SeesAsync(() => SendTo(9), line => line.Contains(":9 ", StringComparison.Ordinal));

        // A grandchild whose parent has gone, too, before anybody reads of it.
        await family.SeesAsync(
            () => shell.StandardInput.WriteLine($"sh -c 'sh -c \"{curl} -s -o /dev/null http://{agent.Address}/livez; true\"; true'; true"),
            line => line.Contains($"filename {Path.GetFullPath(curl)} ", StringComparison.Ordinal) || line.Contains("/curl ", StringComparison.Ordinal));

        shell.StandardInput.Close();
        await shell.WaitForExitAsync();
        Assert.All(family.Lines, line => Assert.Contains("/curl ", line, StringComparison.Ordinal));
        Assert.Empty(only.Lines);
    }

    [Fact]
    public async Task Keeps_up_or_says_how_many_records_it_did_not_show()
    {
        const int Made = 60_000;
        Requires.Bpf();
        var state = Directory.CreateTempSubdirectory("sockwatch-test-");
        await using var agent = await RunningAgent.StartInAsync(
            state, ("SOCKWATCH__KERNEL__RINGBYTES", "64KiB"), ("SOCKWATCH__FLOWLOG__TARGET", "none"), ("SOCKWATCH__CONTROL__TRACEQUEUELENGTH", "64"));
        await using var trace = RunningTrace.Start(agent.StateDirectory, "--pid", Self, "--operation", "send");
        await trace.SeesAsync(() => SendTo(9), line => line.Contains(":9 ", StringComparison.Ordinal));

        // Every datagram has another peer than the one before: each is a record.
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        IPEndPoint[] peers = [new(IPAddress.Loopback, 10), new(IPAddress.Loopback, 11)];
        var clock = Stopwatch.StartNew();
        for (var i = 0; i < Made; i++)
        {
            socket.SendTo([1], peers[i % 2]);
        }

        var took = clock.Elapsed;
        await Task.Delay(500);
        Assert.Equal(0, await trace.StopAsync());

        var shown = trace.Lines.LongCount(line => line.Contains(":10 ", StringComparison.Ordinal) || line.Contains(":11 ", StringComparison.Ordinal));
        var dropped = Told(trace.Errors, "faster than they could be printed");
        var inKernel = Told(trace.Errors, "lost in the kernel");
        output.WriteLine($"{Made} records made in {took.TotalSeconds:0.00} s: {shown} shown, {dropped} dropped for the trace, {inKernel} in the kernel");
        output.WriteLine(trace.Errors);
        Assert.True(inKernel > 0 && dropped >= 0);

        // What the kernel lost of others, on a machine that is not ours alone, is among what it says.
        Assert.InRange(shown + dropped + inKernel, Made, Made + 500);
    }

    private static async Task<RunningTrace> RestartAsync(DirectoryInfo state)
    {
        var first = await RunningAgent.StartInAsync(state, ("SOCKWATCH__FLOWLOG__TARGET", "none"));
        var trace = RunningTrace.Start(state.FullName, "--pid", Self);
        await trace.SeesAsync(() => SendTo(9), line => line.Contains(":9 ", StringComparison.Ordinal));
        await first.StopAsync();
        await using var second = await RunningAgent.StartInAsync(state, ("SOCKWATCH__FLOWLOG__TARGET", "none"));
        await trace.SeesAsync(() => SendTo(13), line => line.Contains(":13 ", StringComparison.Ordinal));
        await trace.StopAsync();
        return trace;
    }

    private static long Told(string errors, string what) => errors.Split('\n')
        .Where(line => line.Contains(what, StringComparison.Ordinal))
        .Sum(line => long.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture));

    private static void SendTo(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.SendTo([1], new IPEndPoint(IPAddress.Loopback, port));
    }

    /// <summary>What a machine's programs do, one after the other.</summary>
    /// <returns>The local address of every socket.</returns>
    private static List<string> Traffic(int rounds)
    {
        var sockets = new List<string>();
        for (var round = 0; round < rounds; round++)
        {
            foreach (var address in (IPAddress[])[IPAddress.Loopback, IPAddress.IPv6Loopback])
            {
                using var listener = new TcpListener(address, 0);
                listener.Start();
                using var client = new TcpClient(address.AddressFamily);
                client.Connect((IPEndPoint)listener.LocalEndpoint);
                using var server = listener.AcceptSocket();
                client.Client.Send([1, 2, 3]);
                server.Receive(new byte[3]);
                sockets.Add(client.Client.LocalEndPoint!.ToString()!);
            }

            using var receiver = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            using var other = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            receiver.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            other.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            using var sender = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            sender.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            foreach (var peer in (Socket[])[receiver, receiver, other, receiver])
            {
                sender.SendTo([1], peer.LocalEndPoint!);
                EndPoint from = new IPEndPoint(IPAddress.Any, 0);
                peer.ReceiveFrom(new byte[1], ref from);
            }

            using var refused = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            refused.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            sockets.Add(refused.LocalEndPoint!.ToString()!);
            Assert.Throws<SocketException>(() => refused.Connect(IPAddress.Loopback, 1));
            sockets.Add(sender.LocalEndPoint!.ToString()!);
        }

        return sockets;
    }

    private static bool Is(string line, string endpoint) =>
        line.Contains($"local_addr {endpoint} ", StringComparison.Ordinal) || line.Contains($"remote_addr {endpoint} ", StringComparison.Ordinal);

    /// <summary>The lines of the traffic's sockets and their peers, without the time, in the order of their kind.</summary>
    private static List<string> Of(RunningTrace trace, List<string> sockets) =>
    [
        .. trace.Lines.Where(line => sockets.Any(socket => Is(line, socket)))
            .Select(line => line[(line.IndexOf(' ', StringComparison.Ordinal) + 1)..])
            .Order(StringComparer.Ordinal),
    ];
}
