using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.Names;

/// <summary>Real containers, by the runtimes that Debian has and that run on this machine: a client in one talks to a server outside.</summary>
public sealed class ContainerNameTests(ITestOutputHelper output) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("sockwatch-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("runc", "/docker/{0}")]
    [InlineData("runc", "/kubepods/burstable/pod0a1b2c3d-1111-2222-3333-444455556666/{0}")]
    [InlineData("runc", "/docker/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/docker/{0}")]
    [InlineData("crun", "/kubepods/burstable/pod0a1b2c3d-1111-2222-3333-444455556666/crio-{0}")]
    public async Task A_client_in_a_container_belongs_to_the_container(string runtime, string path)
    {
        Requires.Bpf();
        var program = Requires.Program(runtime, runtime);
        var root = MakeRoot();
        var id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
        await using var agent = await RunningAgent.StartAsync("--flow-log", "-", "--format", "json");
        using var server = new Server();
        var specification = new JsonObject
        {
            ["ociVersion"] = "1.0.2",
            ["process"] = new JsonObject
            {
                ["user"] = new JsonObject { ["uid"] = 0, ["gid"] = 0 },
                ["args"] = new JsonArray("/bin/sh", "-c", $"echo hello | nc 127.0.0.1 {server.Port}"),
                ["env"] = new JsonArray("PATH=/bin"),
                ["cwd"] = "/",
            },
            ["root"] = new JsonObject { ["path"] = root, ["readonly"] = true },
            ["mounts"] = new JsonArray(new JsonObject { ["destination"] = "/proc", ["type"] = "proc", ["source"] = "proc" }),
            ["linux"] = new JsonObject
            {
                ["cgroupsPath"] = string.Format(System.Globalization.CultureInfo.InvariantCulture, path, id),
                ["namespaces"] = new JsonArray(new JsonObject { ["type"] = "mount" }, new JsonObject { ["type"] = "pid" }),
            },
        };
        await File.WriteAllTextAsync(Path.Combine(_folder, "config.json"), specification.ToJsonString());

        var run = await Shell.RunAsync(program, "--root", Path.Combine(_folder, "state"), "run", "--bundle", _folder, id);

        Assert.SkipWhen(run.ExitCode != 0, $"{runtime} does not run containers here: {run.Errors.Trim()}");
        await AssertIsOfContainerAsync(agent, server.Port, id);
    }

    [Fact]
    public async Task A_client_in_a_container_of_podmans_belongs_to_the_container()
    {
        Requires.Bpf();
        var podman = Requires.Program("podman", "podman");
        var root = MakeRoot();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "-", "--format", "json");
        using var server = new Server();

        var run = await Shell.RunAsync(podman,
            "--runtime", "runc", "--cgroup-manager=cgroupfs", "--root", Path.Combine(_folder, "store"), "--runroot", Path.Combine(_folder, "run"),
            "run", "--cidfile", Path.Combine(_folder, "id"), "--network=host", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024",
            "--rootfs", root, "/bin/sh", "-c", $"cat /proc/self/cgroup; echo hello | nc 127.0.0.1 {server.Port}");

        Assert.SkipWhen(run.ExitCode != 0, $"podman does not run containers here: {run.Errors.Trim()}");
        output.WriteLine(run.Output);
        await AssertIsOfContainerAsync(agent, server.Port, (await File.ReadAllTextAsync(Path.Combine(_folder, "id"))).Trim());
        await Shell.RunAsync(podman, "--root", Path.Combine(_folder, "store"), "--runroot", Path.Combine(_folder, "run"), "rm", "--all", "--force");
        await Shell.RunAsync("umount", Path.Combine(_folder, "store/overlay"));
    }

    /// <summary>In real cgroups, each with one process that connects once: as many as the kernel's map of them has room for, and as many again.</summary>
    [Fact]
    public async Task Short_lived_cgroups_make_room_for_those_that_come_after()
    {
        Requires.Bpf();
        using var cgroups = await TemporaryCgroups.MakeAsync();
        Assert.SkipWhen(cgroups is null, "no cgroup can be made here");
        await using var agent = await RunningAgent.StartInAsync(Directory.CreateTempSubdirectory("sockwatch-test-"),
            ("SOCKWATCH__KERNEL__MAXCGROUPS", "100"), ("SOCKWATCH__FLOWLOG__TARGET", "none"), ("SOCKWATCH__AGGREGATION__ADDATTRIBUTES", "container.id"));
        using var server = new Server();
        var named = 0;
        for (var round = 0; round < 3; round++)
        {
            var ids = Enumerable.Range(0, 60).Select(_ => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32))).ToList();
            foreach (var id in ids)
            {
                await cgroups!.RunInAsync(id, $"exec 3<>/dev/tcp/127.0.0.1/{server.Port}");
            }

            var page = await agent.ScrapeUntilAsync(page => ids.All(id => Has(page, id)), TimeSpan.FromSeconds(5));
            named += ids.Count(id => Has(page, id));
            cgroups!.Remove();
            await Task.Delay(TimeSpan.FromSeconds(11)); // the sweep
        }

        var last = await agent.ScrapeAsync();
        var entries = last.Sum("sockwatch_bpf_map_entries", ("map", "cgroup_paths"));
        output.WriteLine($"{named} of 180 named; {entries} names left in the kernel; lost: {last.Losses}");
        Assert.Equal(180, named);
        Assert.Equal(0, last.Lost("cgroups_full"));
        Assert.InRange(entries, 1, 60);

        static bool Has(MetricPage page, string id) => page.Of("sockwatch_socket_operations_total").Any(sample => sample["container_id"] == id);
    }

    private async Task AssertIsOfContainerAsync(RunningAgent agent, int port, string id)
    {
        var page = await agent.ScrapeUntilAsync(
            page => page.Sum("sockwatch_socket_io_bytes_total", ("workload_kind", "Container"), ("workload_name", id[..12]), ("server_port", $"{port}")) == 6, TimeSpan.FromSeconds(8));
        await agent.StopAsync();
        var lines = agent.Output.Where(line => line.Contains($"\"network.peer.port\":{port},", StringComparison.Ordinal)).ToList();

        output.WriteLine(lines.FirstOrDefault() ?? "no record");
        Assert.Equal(6, page.Sum("sockwatch_socket_io_bytes_total", ("workload_kind", "Container"), ("workload_name", id[..12]), ("server_port", $"{port}")));
        Assert.NotEmpty(lines);
        Assert.All(lines, line => Assert.Contains($"\"container.id\":\"{id}\"", line, StringComparison.Ordinal));
        Assert.True(page.Sum("sockwatch_attribution_total", ("quality", "exact")) >= 2);
    }

    // A root file system of one program.
    private string MakeRoot()
    {
        var busybox = Requires.Program("busybox", "busybox-static");
        var root = Path.Combine(_folder, "root");
        foreach (var directory in new[] { "bin", "proc", "dev", "sys", "etc", "run", "tmp" })
        {
            Directory.CreateDirectory(Path.Combine(root, directory));
        }

        File.Copy(busybox, Path.Combine(root, "bin/busybox"));
        foreach (var name in new[] { "sh", "nc", "cat", "echo" })
        {
            File.CreateSymbolicLink(Path.Combine(root, "bin", name), "busybox");
        }

        return root;
    }

    /// <summary>Takes connections, reads them to their end and closes.</summary>
    private sealed class Server : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

        public Server()
        {
            _listener.Start(200);
            _ = ServeAsync();
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public void Dispose() => _listener.Dispose();

        private async Task ServeAsync()
        {
            try
            {
                while (true)
                {
                    using var client = await _listener.AcceptSocketAsync();
                    var buffer = new byte[64];
                    while (await client.ReceiveAsync(buffer) > 0)
                    {
                    }
                }
            }
            catch (SocketException)
            {
                // Disposed.
            }
            catch (ObjectDisposedException)
            {
                // Disposed.
            }
        }
    }

    /// <summary>Version 2 cgroups of the test's own, wherever that hierarchy is mounted.</summary>
    private sealed class TemporaryCgroups : IDisposable
    {
        private readonly string _root;

        private TemporaryCgroups(string root) => _root = root;

        public static async Task<TemporaryCgroups?> MakeAsync()
        {
            var mount = (await File.ReadAllLinesAsync("/proc/mounts")).Select(line => line.Split(' ')).FirstOrDefault(mount => mount[2] == "cgroup2")?[1];
            if (mount is null)
            {
                return null;
            }

            try
            {
                return new TemporaryCgroups(Directory.CreateDirectory(Path.Combine(mount, $"sockwatch-test-{Environment.ProcessId}")).FullName);
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                return null;
            }
        }

        public async Task RunInAsync(string id, string script)
        {
            var directory = Directory.CreateDirectory(Path.Combine(_root, id)).FullName;
            var run = await Shell.RunAsync("bash", "-c", $"echo $$ > {directory}/cgroup.procs; {script}");
            Assert.True(run.ExitCode == 0, run.Errors);
        }

        public void Dispose()
        {
            Remove();
            Directory.Delete(_root);
        }

        public void Remove()
        {
            foreach (var directory in Directory.EnumerateDirectories(_root))
            {
                Directory.Delete(directory);
            }
        }
    }
}
