using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Sockwatch.KernelTests.Agents;
using Sockwatch.KernelTests.Truth;
using Sockwatch.Tests.Exporters.Otlp;

namespace Sockwatch.KernelTests.Faces;

/// <summary>Real processes, whose pids somebody asked for as a label.</summary>
public sealed class ByProcessTests(ITestOutputHelper output)
{
    private const string WithPids = "aggregation: { addAttributes: [process.pid] }\n";
    private const string Io = "sockwatch_socket_io_bytes_total";

    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Each_process_has_its_own_sums_on_every_face_and_together_they_are_those_without_pids()
    {
        Requires.Bpf();
        await using var receiver = await OtlpReceiver.StartAsync(grpc: true);
        await using var agent = await RunningAgent.StartAsync(
            "--flow-log", "-", "--format", "json", "--otlp-endpoint", receiver.Endpoint,
            "--config", Some.ConfigurationFile(WithPids + "otlp: { interval: 500ms, logs: false }\n"));
        await using var plain = await RunningAgent.StartAsync("--flow-log", "none");

        // Four processes that share a listener, one that begins what another goes on with, and UDP; what is whose pid, only they know.
        var edges = new List<TrueEdge>();
        foreach (var scenario in (string[])["pre_fork", "scm_rights", "fork_inherit", "udp_unconnected", "udp_mmsg"])
        {
            var (truth, _) = await LoadProgram.RunAsync("truth-client", scenario);
            using var __ = truth;
            edges.AddRange(TrueEdge.Of(truth.RootElement));
        }

        edges = [.. TrueEdge.Merge(edges)];
        var senders = await SendDatagramsAsync(processes: 6);
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture);
        var callers = await CallAsync(listener, port, processes: 8);

        var page = await agent.ScrapeUntilAsync(IsAll, Settle);
        var without = await plain.ScrapeUntilAsync(IsAll, Settle);
        var byPid = Pids(page);
        await UntilAsync(() => Pushed(receiver).OrderBy(one => one.Key).SequenceEqual(byPid.OrderBy(one => one.Key)));
        await agent.StopAsync();
        await plain.StopAsync();

        Assert.Empty(edges.SelectMany(edge => edge.Differences(page)));
        Assert.Empty(edges.SelectMany(edge => edge.Differences(without)));
        Assert.Equal("", page.Losses);
        foreach (var (pid, bytes) in senders)
        {
            Assert.Equal(bytes, page.Sum(Io, ("process_pid", $"{pid}"), ("process_executable_name", "peers")));
        }

        foreach (var pid in callers)
        {
            Assert.Equal(1, page.Sum(Io, ("process_pid", $"{pid}"), ("server_port", port)));
            Assert.Equal(1, page.Sum("sockwatch_socket_operations_total", ("process_pid", $"{pid}"), ("socket_operation", "connect")));
            Assert.Equal(1, page.Sum("sockwatch_socket_operations_total", ("process_pid", $"{pid}"), ("socket_operation", "release")));
        }

        (string, string)[] served = [("process_pid", $"{Environment.ProcessId}"), ("server_port", port), ("network_role", "server")];
        Assert.Equal(callers.Count, page.Sum(Io, served));
        Assert.Equal(callers.Count, page.Sum("sockwatch_socket_operations_total", [.. served, ("socket_operation", "accept")]));

        Assert.Equal(byPid.OrderBy(one => one.Key), Pushed(receiver).OrderBy(one => one.Key));
        Assert.Equal(byPid.OrderBy(one => one.Key), Logged(agent).OrderBy(one => one.Key));
        Assert.Equal(Sums(without), Sums(page));
        Assert.All(without.Of(Io), sample => Assert.Equal("", sample["process_pid"]));
        var workers = byPid.Keys.Where(key => key.StartsWith("truth-server", StringComparison.Ordinal)).Select(key => key.Split(' ')[1]).Distinct().Count();
        output.WriteLine($"{byPid.Count} sums by executable, pid, role and direction, {workers} of truth-server's processes: alike on the page, by OTLP and in the flow log; {Sums(page).Count} without pids alike with and without them");
        Assert.True(workers > 5);

        bool IsAll(MetricPage one) => !edges.SelectMany(edge => edge.Differences(one)).Any()
            && one.Sum(Io, ("process_executable_name", "peers")) == senders.Sum(sender => sender.Bytes)
            && one.Sum("sockwatch_socket_operations_total", ("process_executable_name", "one-shot"), ("socket_operation", "release")) == callers.Count
            && one.Sum(Io, ("server_port", port), ("network_role", "server")) == callers.Count;
    }

    [Theory]
    [InlineData("kernel: { maxEdges: 100 }")]
    [InlineData("kernel: { maxEdges: 2000 }\nlimits: { processShare: 2, containerShare: 2 }")]
    [InlineData("# The budget alone.")]
    public async Task More_processes_than_there_is_room_for_are_counted_without_their_pids(string room)
    {
        Requires.Bpf();
        const int processes = 1500;
        await using var agent = await RunningAgent.StartAsync(
            "--flow-log", "none", "--config", Some.ConfigurationFile($"aggregation: {{ addAttributes: [process.pid], maxSeries: 400 }}\n{room}\n"));

        var (truth, _) = await LoadProgram.RunAsync("spawn", "--count", $"{processes}", "--parallel", "8");
        using var __ = truth;
        var page = await agent.ScrapeUntilAsync(page => Sent(page) >= processes && Observed(page) == Attributed(page), Settle);

        var named = page.Of(Io).Where(sample => sample["process_executable_name"] == "one-shot" && sample["process_pid"] != "").ToList();
        var folded = page.Of(Io).Where(sample => sample["peer_name"] == "_overflow").ToList();
        output.WriteLine($"{processes} processes: {named.Count} with their pid, {folded.Sum(sample => sample.Value)} B in overflows; {page.Sum("sockwatch_series_folded_total")} times folded; lost: {page.Losses}");
        Assert.Equal(Observed(page), Attributed(page));
        Assert.True(Sent(page) >= processes);
        Assert.InRange(named.Count, 1, 400);
        Assert.NotEmpty(folded);
        Assert.All(folded, sample => Assert.Equal("", sample["process_pid"]));
        Assert.All(page.Of("sockwatch_series"), series => Assert.InRange(series.Value, 0, 2000));

        static double Sent(MetricPage page) => page.Sum(Io, ("process_executable_name", "one-shot"), ("network_io_direction", "transmit"))
            + page.Sum(Io, ("process_executable_name", ""), ("peer_name", "_overflow"), ("network_io_direction", "transmit"));

        static double Attributed(MetricPage page) => page.Sum(Io) + page.Sum("sockwatch_series_retired_bytes_total");

        static double Observed(MetricPage page) => page.Sum("sockwatch_observed_bytes_total");
    }

    [Fact]
    public async Task Series_of_a_process_that_ended_leave_long_before_those_of_one_that_is_silent()
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync(
            "--flow-log", "none", "--config", Some.ConfigurationFile("aggregation: { addAttributes: [process.pid], ownerTtl: 2s }\ncollection: { interval: 1s }\n"));
        using var silent = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        await silent.SendToAsync(new byte[7], new IPEndPoint(IPAddress.Loopback, 19));

        var (pid, bytes) = Assert.Single(await SendDatagramsAsync(processes: 1));
        var there = await agent.ScrapeUntilAsync(page => Of(page, pid) == bytes && Of(page, Environment.ProcessId) == 7, Settle);
        Assert.Equal((bytes, 7), (Of(there, pid), Of(there, Environment.ProcessId)));

        var gone = await agent.ScrapeUntilAsync(page => Of(page, pid) == 0, Settle);
        Assert.Equal((0, 7), (Of(gone, pid), Of(gone, Environment.ProcessId)));
        Assert.True(gone.Sum("sockwatch_series_retired_bytes_total") >= bytes);

        static double Of(MetricPage page, int pid) =>
            page.Of(Io).Where(sample => sample["process_pid"] == $"{pid}" && sample["server_port"] is "9" or "19").Sum(sample => sample.Value);
    }

    /// <summary>One after the other, each another number of bytes to three peers.</summary>
    private static async Task<List<(int Pid, double Bytes)>> SendDatagramsAsync(int processes)
    {
        var senders = new List<(int, double)>();
        for (var i = 1; i <= processes; i++)
        {
            using var process = LoadProgram.Start("peers", "--count", "3", "--bytes", $"{100 * i}");
            await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            Assert.Equal(0, process.ExitCode);
            senders.Add((process.Id, 300 * i));
        }

        return senders;
    }

    /// <summary>Each connects to this process and sends one byte.</summary>
    private static async Task<List<int>> CallAsync(TcpListener listener, string port, int processes)
    {
        var callers = new List<int>();
        for (var i = 0; i < processes; i++)
        {
            using var process = LoadProgram.Start("one-shot", port);
            callers.Add(process.Id);
            using var served = await listener.AcceptSocketAsync();
            while (await served.ReceiveAsync(new byte[16]) > 0)
            {
            }

            await process.WaitForExitAsync();
            Assert.Equal(0, process.ExitCode);
        }

        return callers;
    }

    private static bool IsLoad(string executable) => executable is "truth-client" or "truth-server" or "peers" or "one-shot";

    private static string Key(string executable, string pid, string role, string direction) => $"{executable} {pid} {role} {direction}";

    private static Dictionary<string, double> Pids(MetricPage page) => page.Of(Io)
        .Where(sample => IsLoad(sample["process_executable_name"]))
        .GroupBy(sample => Key(sample["process_executable_name"], sample["process_pid"], sample["network_role"], sample["network_io_direction"]))
        .Select(same => (same.Key, Bytes: same.Sum(sample => sample.Value))).Where(one => one.Bytes > 0).ToDictionary(one => one.Key, one => one.Bytes);

    /// <summary>The last value of every series.</summary>
    private static Dictionary<string, double> Pushed(OtlpReceiver receiver) => receiver.Points
        .Where(point => point.Name == "sockwatch.socket.io" && IsLoad(point.Attributes.GetValueOrDefault("process.executable.name", "")))
        .GroupBy(point => point.Labels).Select(series => series.MaxBy(point => point.TimeNs)!)
        .GroupBy(point => Key(
            point.Attributes["process.executable.name"], point.Attributes.GetValueOrDefault("process.pid", ""),
            point.Attributes.GetValueOrDefault("network.role", ""), point.Attributes["network.io.direction"]))
        .Select(same => (same.Key, Bytes: (double)same.Sum(point => point.Value))).Where(one => one.Bytes > 0).ToDictionary(one => one.Key, one => one.Bytes);

    private static Dictionary<string, double> Logged(RunningAgent agent) => agent.Output
        .Select(line => JsonDocument.Parse(line).RootElement)
        .Where(line => line.GetProperty("event.name").GetString() == "flow.end" && line.TryGetProperty("process.executable.name", out var name) && IsLoad(name.GetString()!))
        .SelectMany(line => (((string Direction, string Key)[])[("transmit", "flow.bytes.sent"), ("receive", "flow.bytes.received")]).Select(one => (
            Key: Key(line.GetProperty("process.executable.name").GetString()!, $"{line.GetProperty("process.pid").GetInt64()}", line.GetProperty("network.role").GetString()!, one.Direction),
            Bytes: (double)line.GetProperty(one.Key).GetInt64())))
        .GroupBy(one => one.Key).Select(same => (same.Key, Bytes: same.Sum(one => one.Bytes))).Where(one => one.Bytes > 0).ToDictionary(one => one.Key, one => one.Bytes);

    /// <summary>Bytes by all labels but the pid.</summary>
    private static SortedDictionary<string, double> Sums(MetricPage page) => new(page.Of(Io)
        .Where(sample => IsLoad(sample["process_executable_name"]))
        .GroupBy(sample => string.Join(' ', sample.Labels.Where(label => label.Key != "process_pid").OrderBy(label => label.Key).Select(label => label.Value)))
        .ToDictionary(same => same.Key, same => same.Sum(sample => sample.Value)));

    private static async Task UntilAsync(Func<bool> condition)
    {
        var deadline = DateTime.UtcNow + Settle;
        while (!condition() && DateTime.UtcNow < deadline)
        {
            await Task.Delay(100);
        }
    }
}
