using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.RealPrograms;

/// <summary>Programs that people run, and what their users would expect to see of them.</summary>
public sealed partial class RealProgramTests(ITestOutputHelper output) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("sockwatch-test-").FullName;

    [Fact]
    public async Task Sees_curl_and_nginx_with_pre_forked_workers()
    {
        Requires.Bpf();
        var nginx = Requires.Program("nginx", "nginx-light");
        var curl = Requires.Program("curl", "curl");
        var port = RunningAgent.FreePort();
        var size = 1_234_567;
        await File.WriteAllBytesAsync(Path.Combine(_folder, "file"), new byte[size]);
        await File.WriteAllTextAsync(Path.Combine(_folder, "nginx.conf"), $$"""
            worker_processes 2;
            daemon off;
            pid {{_folder}}/pid;
            error_log stderr;
            events { }
            http { access_log off; sendfile on; server { listen 127.0.0.1:{{port}}; root {{_folder}}; } }
            """);
        File.SetUnixFileMode(_folder, (UnixFileMode)0b111_101_101);
        await using var agent = await RunningAgent.StartAsync("--flow-log", "-", "--format", "json");
        using var server = await Daemon.StartAsync(port, nginx, "-c", Path.Combine(_folder, "nginx.conf"));

        var downloaded = 0L;
        var header = 0L;
        for (var i = 0; i < 20; i++)
        {
            var got = await Shell.RunAsync(curl, "-s", "-o", "/dev/null", "-w", "%{size_download} %{size_header}", $"http://127.0.0.1:{port}/file");
            var sizes = got.Output.Split(' ');
            downloaded += long.Parse(sizes[0], CultureInfo.InvariantCulture);
            header += long.Parse(sizes[1], CultureInfo.InvariantCulture);
        }

        (string, string)[] client = [("process_executable_name", "curl"), ("network_role", "client"), ("server_port", $"{port}")];
        (string, string)[] service = [("process_executable_name", "nginx"), ("network_role", "server"), ("server_port", $"{port}")];
        var page = await agent.ScrapeUntilAsync(
            page => Bytes(page, client, "receive") == downloaded + header && Operations(page, service, "release") == 20, TimeSpan.FromSeconds(8));

        output.WriteLine($"curl: downloaded {downloaded} B + headers {header} B; received {Bytes(page, client, "receive")} B; nginx sent {Bytes(page, service, "transmit")} B");
        Assert.Equal(20L * size, downloaded);
        Assert.Equal(downloaded + header, Bytes(page, client, "receive"));
        Assert.Equal(downloaded + header, Bytes(page, service, "transmit"));
        Assert.Equal(Bytes(page, client, "transmit"), Bytes(page, service, "receive"));
        Assert.Equal(20, Operations(page, client, "connect"));
        Assert.Equal(20, Operations(page, service, "accept"));
        Assert.Contains(page.Of("sockwatch_socket_io_bytes_total"), sample => sample["process_executable_name"] == "curl" && sample["peer_name"] == "nginx");
        Assert.Equal("", page.Losses);

        // The workers accept, whoever listened: nginx's master never serves.
        await agent.StopAsync();
        var workers = server.Children();
        var accepts = agent.Output.Where(line => line.Contains("\"event.name\":\"flow.start\"") && line.Contains("\"process.executable.name\":\"nginx\"")).ToList();
        Assert.Equal(20, accepts.Count);
        Assert.All(accepts, line => Assert.Contains(workers, worker => line.Contains($"\"process.pid\":{worker},")));
    }

    [Fact]
    public async Task Sees_redis_benchmark()
    {
        Requires.Bpf();
        var redis = Requires.Program("redis-server", "redis-server");
        var benchmark = Requires.Program("redis-benchmark", "redis-tools");
        var port = RunningAgent.FreePort();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "none");
        using var server = await Daemon.StartAsync(port, redis, "--port", $"{port}", "--bind", "127.0.0.1", "--save", "", "--dir", _folder);

        var run = await Shell.RunAsync(benchmark, "-p", $"{port}", "-n", "100000", "-c", "20", "-t", "set", "-d", "100", "-q");
        var stats = await Shell.RunAsync(Requires.Program("redis-cli", "redis-tools"), "-p", $"{port}", "info", "stats");

        (string, string)[] client = [("process_executable_name", "redis-benchmark"), ("network_role", "client"), ("server_port", $"{port}")];
        (string, string)[] cli = [("process_executable_name", "redis-cli"), ("network_role", "client"), ("server_port", $"{port}")];
        (string, string)[] service = [("network_role", "server"), ("server_port", $"{port}")];

        // What the server says of itself, as of the moment it was asked: it had read everything.
        var input = long.Parse(TotalInput().Match(stats.Output).Groups[1].Value, CultureInfo.InvariantCulture);
        // All this may take less time than a report is served for, so that the first page is one of before.
        var page = await agent.ScrapeUntilAsync(
            page => Bytes(page, service, "receive") >= input
                && Bytes(page, client, "transmit") + Bytes(page, cli, "transmit") == Bytes(page, service, "receive")
                && Operations(page, service, "accept") == Operations(page, service, "release"), TimeSpan.FromSeconds(8));

        output.WriteLine($"{run.Output.Trim()}; redis read {input} B, the agent saw {Bytes(page, service, "receive")} B in, {Bytes(page, service, "transmit")} B out");
        Assert.Equal(input, Bytes(page, service, "receive"));
        Assert.Equal(Bytes(page, client, "transmit") + Bytes(page, cli, "transmit"), Bytes(page, service, "receive"));
        Assert.Equal(Bytes(page, client, "receive") + Bytes(page, cli, "receive"), Bytes(page, service, "transmit"));
        Assert.Equal("", page.Losses);
    }

    [Fact]
    public async Task Sees_a_dns_client_and_server()
    {
        Requires.Bpf();
        var dnsmasq = Requires.Program("dnsmasq", "dnsmasq-base");
        var dig = Requires.Program("dig", "bind9-dnsutils");
        var port = RunningAgent.FreePort();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "none");
        using var server = await Daemon.StartAsync(port, dnsmasq,
            "--no-daemon", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", $"--port={port}", "--listen-address=127.0.0.1",
            "--bind-interfaces", "--user=root", "--address=/example.test/192.0.2.7");

        var received = 0L;
        for (var i = 0; i < 50; i++)
        {
            var answer = await Shell.RunAsync(dig, "@127.0.0.1", "-p", $"{port}", $"host{i}.example.test", "+noedns", "+tries=1");
            received += long.Parse(MessageSize().Match(answer.Output).Groups[1].Value, CultureInfo.InvariantCulture);
        }

        (string, string)[] client = [("process_executable_name", "dig"), ("network_role", "client"), ("network_transport", "udp"), ("server_port", $"{port}")];
        (string, string)[] service = [("process_executable_name", "dnsmasq"), ("network_role", "server"), ("network_transport", "udp"), ("server_port", $"{port}")];
        var page = await agent.ScrapeUntilAsync(
            page => Bytes(page, client, "receive") == received && Bytes(page, service, "transmit") == received, TimeSpan.FromSeconds(8));

        output.WriteLine($"dig received {received} B in 50 answers; the agent saw {Bytes(page, client, "receive")} B, and {Bytes(page, service, "transmit")} B from dnsmasq");
        Assert.Equal(received, Bytes(page, client, "receive"));
        Assert.Equal(received, Bytes(page, service, "transmit"));
        Assert.Equal(Bytes(page, client, "transmit"), Bytes(page, service, "receive"));
        Assert.Equal(50, Operations(page, client, "send"));
        Assert.Equal(50, Operations(page, service, "recv"));
        Assert.Equal("", page.Losses);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static double Bytes(MetricPage page, (string, string)[] edge, string direction) =>
        page.Sum("sockwatch_socket_io_bytes_total", [.. edge, ("network_io_direction", direction)]);

    private static double Operations(MetricPage page, (string, string)[] edge, string operation) =>
        page.Sum("sockwatch_socket_operations_total", [.. edge, ("socket_operation", operation), ("error_type", "")]);

    [GeneratedRegex(@"total_net_input_bytes:(\d+)")]
    private static partial Regex TotalInput();

    [GeneratedRegex(@"MSG SIZE\s+rcvd: (\d+)")]
    private static partial Regex MessageSize();

    /// <summary>A server of the test's own, awake when it holds its port. Disposing ends it and its children.</summary>
    private sealed class Daemon : IDisposable
    {
        private readonly Process _process;

        private Daemon(Process process)
        {
            _process = process;
        }

        public static async Task<Daemon> StartAsync(int port, string program, params string[] arguments)
        {
            var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            process.OutputDataReceived += (_, _) => { };
            process.ErrorDataReceived += (_, _) => { };
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
            for (var patience = 0; !HoldsPort(port); patience++)
            {
                Assert.True(patience < 100 && !process.HasExited, $"{program} does not listen on {port}");
                await Task.Delay(50);
            }

            return new Daemon(process);
        }

        public IReadOnlyList<int> Children() =>
            [.. File.ReadAllText($"/proc/{_process.Id}/task/{_process.Id}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];

        public void Dispose()
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit();
            _process.Dispose();
        }

        // By the kernel's table, not by a connection: that would be counted.
        private static bool HoldsPort(int port) => new[] { "tcp", "udp" }.Any(protocol =>
            File.ReadLines($"/proc/net/{protocol}").Any(line => line.Contains($"0100007F:{port:X4} 00000000:0000")));
    }
}
