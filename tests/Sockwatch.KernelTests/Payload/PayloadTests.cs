using System.Net;
using System.Net.Sockets;
using System.Text;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.Payload;

/// <summary>What is captured is what was sent, of whom it was to be, and of nobody else.</summary>
public class PayloadTests(ITestOutputHelper output)
{
    private const int Limit = 20_000;

    [Fact]
    public async Task Captures_every_byte_and_its_place_of_every_call_up_to_the_limit()
    {
        Requires.Bpf();
        var program = Repository.Load("payload");
        var config = Some.ConfigurationFile("payload: { direction: both, all: true, encoding: base64 }");
        await using var trace = RunningTrace.Start(
            Path.GetDirectoryName(config)!, "--config", config, $"--payload={Limit}", "--exe", "payload", "--json", "--log-level", "warn");
        await trace.SeesAsync(() => LoadProgram.Start("payload", "--knock", "1").WaitForExit(), _ => true);

        List<SentPayload> truth = [];
        foreach (var family in CapturedRun.Families)
        {
            var run = await Shell.RunAsync(program, "--family", family, "--limit", $"{Limit}");
            Assert.True(run.ExitCode == 0, run.Errors);
            truth.AddRange(SentPayload.Read(run.Output));
        }

        var ends = truth.Count * 2;
        await WaitForAsync(() => trace.Lines.Count(line => line.Contains("\"flow.end\"")) >= ends);
        await trace.StopAsync();
        var captured = new CapturedRun(
            truth, CapturedRecord.ReadAll(trace.Lines), Limit,
            Receives: !trace.Errors.Contains("what applications receive cannot be captured"),
            SeesPages: File.ReadLines("/proc/kallsyms").Any(line => line.EndsWith(" vmemmap_base", StringComparison.Ordinal)));

        output.WriteLine(trace.Errors);
        output.WriteLine(captured.Summary);
        Assert.Empty(captured.Differences());
    }

    [Fact]
    public async Task Flow_records_carry_what_the_list_allows_and_the_protocols_of_all()
    {
        Requires.Bpf();
        var config = Some.ConfigurationFile("""
            payload:
              direction: client
              processes: [curl]
              redact: ["(?i)authorization: [^\\r]*"]
              recogniseProtocols: true
            aggregation:
              addAttributes: [network.protocol.name]
            """);
        var curl = Requires.Program("curl", "curl");
        var wget = Requires.Program("wget", "wget");
        using var server = new HttpAnswers();
        using var secure = new HttpAnswers();
        await using var agent = await RunningAgent.StartAsync("--config", config, "--interval", "100ms");

        // What was counted before the first flow of an edge was recognised stays without a name: twice, therefore.
        foreach (var ends in (int[])[6, 12])
        {
            await Shell.RunAsync(curl, "-s", "-u", "me:secret", $"http://127.0.0.1:{server.Port}/public");
            await Shell.RunAsync(wget, "-q", "-O", "-", $"http://127.0.0.1:{server.Port}/private");
            await Shell.RunAsync(curl, "-sk", $"https://localhost:{secure.Port}/");
            await WaitForAsync(() => Ends(agent, server.Port, secure.Port).Count() >= ends);
            await Task.Delay(500);
        }

        // An edge whose protocol stays unknown waits for its name for 15 s.
        var page = await agent.ScrapeUntilAsync(
            page => page.Of("sockwatch_socket_io_bytes_total").Any(sample => sample["network_protocol_name"] == "tls")
                && page.Sum("sockwatch_observed_bytes_total") == page.Sum("sockwatch_socket_io_bytes_total"), TimeSpan.FromSeconds(25));
        var lines = Ends(agent, server.Port, secure.Port).ToList();
        var ofCurl = lines.First(line => line.Contains("\"curl\"") && line.Contains("\"http\""));
        Assert.Contains("\"flow.payload\":\"GET /public HTTP/1.1..Host: 127.0.0.1:", ofCurl);
        Assert.Contains("..****************************", ofCurl);
        Assert.Contains("\"network.protocol.version\":\"1.1\"", ofCurl);
        Assert.Contains("\"network.protocol.name\":\"tls\",\"server.address\":\"localhost\"", lines.First(line => line.Contains("\"curl\"") && line.Contains("\"tls\"")));
        var ofWget = lines.First(line => line.Contains("\"wget\""));
        Assert.Contains("\"network.protocol.name\":\"http\"", ofWget);
        Assert.DoesNotContain("flow.payload", ofWget);
        Assert.DoesNotContain(lines, line => line.Contains("private") || line.Contains("Basic "));
        Assert.Contains(page.Of("sockwatch_hook_info"), hook => hook["operation"] == "payload_send" && hook["state"] == "attached");
        Assert.Contains(page.Of("sockwatch_socket_io_bytes_total"), sample => sample["network_protocol_name"] == "http" && sample["process_executable_name"] == "wget");
        Assert.Equal(page.Sum("sockwatch_observed_bytes_total"), page.Sum("sockwatch_socket_io_bytes_total"));
        Assert.DoesNotContain("secret", agent.Errors);
    }

    [Fact]
    public async Task Nothing_of_it_is_loaded_unless_it_is_asked_for()
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "none");

        var page = await agent.ScrapeAsync();

        Assert.DoesNotContain(page.Of("sockwatch_hook_info"), hook => hook["operation"].StartsWith("payload", StringComparison.Ordinal));
        Assert.DoesNotContain(page.Of("sockwatch_bpf_program_runs_total"), program => program["program"].Contains("payload"));
    }

    [Fact]
    public async Task Is_refused_when_nobody_is_named()
    {
        var run = await Shell.RunAsync(
            Repository.Agent, ["run", "--flow-log", "none"], new Dictionary<string, string> { ["SOCKWATCH__PAYLOAD__DIRECTION"] = "client" });
        var trace = await Shell.RunAsync(Repository.Agent, "trace", "--payload");

        Assert.Equal((2, 2), (run.ExitCode, trace.ExitCode));
        Assert.Equal(
            "sockwatch: payload.direction is client, but nobody's payload is named; expected payload.processes, payload.ports or payload.namespaces, or payload.all: true\n",
            run.Errors);
        Assert.Single(trace.Errors.Trim().Split('\n'));
    }

    [Fact]
    public async Task A_flood_of_payload_is_counted_and_costs_no_flow_record()
    {
        Requires.Bpf();
        var config = Some.ConfigurationFile("""
            kernel: { ringBytes: 1MiB }
            payload: { direction: client, all: true, limit: 1MiB }
            """);
        await using var agent = await RunningAgent.StartAsync("--config", config, "--interval", "100ms");
        using var server = new HttpAnswers();

        // Each sends as much as the whole of payload's share, faster than it is drained.
        const int Connections = 100;
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            for (var i = 0; i < Connections / 4; i++)
            {
                using var client = new TcpClient();
                await client.ConnectAsync(IPAddress.Loopback, server.Port);
                await client.GetStream().WriteAsync(new byte[512 * 1024]);
            }
        })));
        var page = await agent.ScrapeUntilAsync(page => page.Lost("payload_ring") > 0, TimeSpan.FromSeconds(5));
        await agent.StopAsync();

        output.WriteLine(page.Losses);
        Assert.NotEqual(0, page.Lost("payload_ring"));
        Assert.Equal(0, page.Lost("ring_full"));
        var ends = agent.Output.Count(line => line.Contains("\"flow.end\"") && line.Contains($"\"network.peer.port\":{server.Port},"));
        Assert.Equal(Connections, ends);
        Assert.All(agent.Output.Where(line => line.Contains("\"flow.end\"") && line.Contains($"\"network.peer.port\":{server.Port},")),
            line => Assert.Contains("\"flow.bytes.sent\":524288", line));
    }

    [Fact]
    public async Task A_trace_tells_what_payload_it_had_no_room_for()
    {
        Requires.Bpf();
        var config = Some.ConfigurationFile("""
            kernel: { ringBytes: 1MiB }
            payload: { direction: client, all: true, limit: 1MiB }
            """);
        using var server = new HttpAnswers();
        await using var trace = RunningTrace.Start(
            Path.GetDirectoryName(config)!, "--config", config, "--payload=1MiB", "--pid", $"{Environment.ProcessId}", "--json", "--log-level", "warn");
        await trace.SeesAsync(() => Send(server.Port, 1), _ => true);

        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 25; i++)
            {
                Send(server.Port, 512 * 1024);
            }
        })));
        Assert.Equal(0, await trace.StopAsync());

        output.WriteLine(trace.Errors);
        Assert.Contains("lost in the kernel, of all processes together", trace.Errors);
    }

    [Fact]
    public async Task Past_a_limit_of_the_process_no_payload_is_captured()
    {
        Requires.Bpf();
        var config = Some.ConfigurationFile("payload: { direction: client, all: true }");
        await using var agent = await RunningAgent.StartAsync("--config", config, "--interval", "100ms");
        await using var trace = RunningTrace.Start(agent.StateDirectory, "--pid", $"{Environment.ProcessId}", "--json");
        using var server = new HttpAnswers();
        await trace.SeesAsync(() => Send(server.Port, 1), line => line.Contains("flow.payload"));

        var limit = await Shell.RunAsync(
            Repository.Agent, ["ctl", "limit", $"{Environment.ProcessId}", "--sockets", "0"],
            new Dictionary<string, string> { ["SOCKWATCH__STATEDIRECTORY"] = agent.StateDirectory });
        Assert.True(limit.ExitCode == 0, limit.Errors);
        using var other = new HttpAnswers();
        Send(other.Port, 5000);
        await Task.Delay(500);

        Assert.DoesNotContain(trace.Lines, line => line.Contains($"\"network.peer.port\":{other.Port},"));
    }

    private static void Send(int port, int bytes)
    {
        using var client = new TcpClient();
        client.Connect(IPAddress.Loopback, port);
        client.GetStream().Write(new byte[bytes]);
    }

    private static IEnumerable<string> Ends(RunningAgent agent, params int[] ports) => agent.Output.Where(line =>
        line.Contains("\"flow.end\"") && ports.Any(port => line.Contains($":{port},")));

    private static async Task WaitForAsync(Func<bool> isSo)
    {
        for (var i = 0; i < 200 && !isSo(); i++)
        {
            await Task.Delay(50);
        }
    }

    /// <summary>Answers whatever it is asked, in plain text, and reads to the end what is sent to it.</summary>
    private sealed class HttpAnswers : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

        public HttpAnswers()
        {
            _listener.Start();
            Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
            _ = AnswerAsync();
        }

        public int Port { get; }

        public void Dispose() => _listener.Dispose();

        private async Task AnswerAsync()
        {
            try
            {
                while (true)
                {
                    _ = AnswerAsync(await _listener.AcceptTcpClientAsync());
                }
            }
            catch (Exception ending) when (ending is ObjectDisposedException or SocketException)
            {
                // The test is over.
            }
        }

        private static async Task AnswerAsync(TcpClient client)
        {
            using (client)
            {
                try
                {
                    var buffer = new byte[64 * 1024];
                    var got = await client.GetStream().ReadAsync(buffer);
                    if (buffer.AsSpan(0, got).StartsWith("GET "u8))
                    {
                        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"));
                        return;
                    }

                    while (got > 0 && buffer[0] != 22)
                    {
                        got = await client.GetStream().ReadAsync(buffer);
                    }
                }
                catch (IOException)
                {
                    // The client left.
                }
            }
        }
    }
}
