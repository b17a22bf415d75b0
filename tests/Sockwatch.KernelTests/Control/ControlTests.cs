using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.Control;

/// <summary>The running agent is asked and told things, by the command that operators use.</summary>
public class ControlTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Shows_its_books_to_the_byte_and_disturbs_no_record()
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "-", "--format", "json");
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var client = new TcpClient(AddressFamily.InterNetwork);
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        using var server = await listener.AcceptSocketAsync();
        await client.Client.SendAsync(new byte[1234]);
        var local = client.Client.LocalEndPoint!.ToString();
        using var udp = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        udp.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        foreach (var port in (int[])[11, 12, 13])
        {
            udp.SendTo(new byte[port], new IPEndPoint(IPAddress.Loopback, port));
        }

        var before = await DumpAsync(agent, "sockets", "processes", "maps", "losses");
        var again = await DumpAsync(agent, "sockets");

        var socket = Assert.Single(before.GetProperty("sockets").EnumerateArray(), row => row.GetProperty("local").GetString() == local);
        Assert.Equal(1234, socket.GetProperty("sent").GetInt64());
        Assert.Equal("client", socket.GetProperty("role").GetString());
        Assert.Equal(
            [(11, "127.0.0.1:11"), (12, "127.0.0.1:12"), (13, "127.0.0.1:13")],
            before.GetProperty("sockets").EnumerateArray().Where(row => row.GetProperty("local").GetString() == udp.LocalEndPoint!.ToString())
                .Select(row => (row.GetProperty("sent").GetInt32(), row.GetProperty("remote").GetString()!)).Order());
        Assert.Equal(Environment.ProcessId, socket.GetProperty("pid").GetInt32());
        Assert.Contains(before.GetProperty("processes").EnumerateArray(), row => row.GetProperty("pid").GetInt32() == Environment.ProcessId);
        Assert.Contains(before.GetProperty("maps").EnumerateArray(), row => row.GetProperty("map").GetString() == "edges" && row.GetProperty("entries").GetInt64() > 0);
        Assert.Contains(before.GetProperty("losses").EnumerateArray(), row => row.GetProperty("reason").GetString() == "ring_full");
        Assert.Contains(again.GetProperty("sockets").EnumerateArray(), row => row.GetProperty("local").GetString() == local);
        output.WriteLine(socket.ToString());
        client.Dispose();
    }

    [Fact]
    public async Task Options_change_what_the_kernel_leaves_out_from_now_on()
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "-", "--format", "json");

        var counted = await ConnectAsync();
        var set = await CtlAsync(agent, "options", "filters.ignoreLoopback=true", "log.level=debug");
        var ignored = await ConnectAsync();
        await CtlAsync(agent, "options", "filters.ignoreLoopback=false");
        var countedAgain = await ConnectAsync();
        var wrong = await CtlAsync(agent, "options", "filters.ignoreLoopback=perhaps");
        await agent.StopAsync();

        Assert.Equal(0, set.ExitCode);
        Assert.Contains("filters.ignoreLoopback  true", set.Output, StringComparison.Ordinal);
        Assert.True(HasRecord(counted));
        Assert.False(HasRecord(ignored));
        Assert.True(HasRecord(countedAgain));
        Assert.Equal((1, "sockwatch: filters.ignoreLoopback is \"perhaps\"; expected true or false\n"), (wrong.ExitCode, wrong.Errors));
        Assert.Contains("filters.ignoreLoopback is true now, was false", agent.Errors, StringComparison.Ordinal);

        bool HasRecord(int port) => agent.Output.Any(line => line.Contains($"\"network.local.port\":{port},", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_thousand_clients_leave_it_as_it_was()
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "none");
        var path = new UnixDomainSocketEndPoint(Path.Combine(agent.StateDirectory, "control.sock"));
        await agent.ScrapeAsync();
        var before = agent.ResidentBytes;
        var clients = new List<Socket>();
        while (clients.Count < 1000)
        {
            var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await client.ConnectAsync(path);
                clients.Add(client);
            }
            catch (SocketException failure) when (failure.SocketErrorCode == SocketError.WouldBlock)
            {
                client.Dispose();
                await Task.Delay(1);
            }
        }

        var page = await agent.ScrapeUntilAsync(
            page => page.Sum("sockwatch_control_refusals_total", ("reason", "too_many")) >= 900, TimeSpan.FromSeconds(10));
        clients.ForEach(client => client.Dispose());

        output.WriteLine($"resident {before / 1048576.0:0.0} MiB, then {agent.ResidentBytes / 1048576.0:0.0} MiB");
        Assert.InRange(page.Sum("sockwatch_control_refusals_total", ("reason", "too_many")), 900, 1000);
        Assert.Equal("", page.Losses);
        Assert.Equal(0, (await CtlAsync(agent, "hello")).ExitCode);
        Assert.InRange(agent.ResidentBytes - before, long.MinValue, 16L << 20);
    }

    [Fact]
    public async Task Top_asks_the_running_agent()
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "none");
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var client = new TcpClient(AddressFamily.InterNetwork);
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        using var server = await listener.AcceptSocketAsync();

        var top = await RunAsync(agent, "top", "--once", "--interval", "200ms");

        Assert.Equal(0, top.ExitCode);
        Assert.Contains(((IPEndPoint)listener.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture), top.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_an_agent_it_says_where_it_looked()
    {
        var ctl = await Shell.RunAsync(
            Repository.Agent, ["ctl", "hello"], new Dictionary<string, string> { ["SOCKWATCH__STATEDIRECTORY"] = "/nonexistent" });

        Assert.Equal(1, ctl.ExitCode);
        Assert.StartsWith("sockwatch: no agent answers at /nonexistent/control.sock", ctl.Errors, StringComparison.Ordinal);
    }

    private static async Task<int> ConnectAsync()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var client = new TcpClient(AddressFamily.InterNetwork);
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        using var server = await listener.AcceptSocketAsync();
        return ((IPEndPoint)client.Client.LocalEndPoint!).Port;
    }

    private static async Task<JsonElement> DumpAsync(RunningAgent agent, params string[] sections)
    {
        var dump = await CtlAsync(agent, ["dump", .. sections, "--json", "--rows", "60000"]);
        Assert.Equal((0, ""), (dump.ExitCode, dump.Errors));
        using var document = JsonDocument.Parse(dump.Output);
        return document.RootElement.Clone();
    }

    private static Task<Ended> CtlAsync(RunningAgent agent, params string[] arguments) => RunAsync(agent, ["ctl", .. arguments]);

    private static Task<Ended> RunAsync(RunningAgent agent, params string[] arguments) =>
        Shell.RunAsync(Repository.Agent, arguments, new Dictionary<string, string> { ["SOCKWATCH__STATEDIRECTORY"] = agent.StateDirectory });
}
