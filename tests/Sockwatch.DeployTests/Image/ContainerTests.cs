using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using k8s.Models;
using Sockwatch.DeployTests.Chart;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.DeployTests.Image;

/// <summary>The image's files as a container with exactly the chart's rights.</summary>
public sealed partial class ContainerTests(ITestOutputHelper output)
{
    [Fact]
    public async Task All_hooks_attach_with_the_rights_of_the_chart_and_the_seccomp_of_containerd()
    {
        var (pod, map) = await RenderAsync();
        var seccomp = await SeccompProfile.OfContainerdAsync([.. pod.Containers[0].SecurityContext.Capabilities.Add]);
        await using var container = await Container.StartAsync(pod, map, seccomp: seccomp);

        await container.ReadyAsync();

        var page = await container.ScrapeAsync();
        var hooks = page.Of("sockwatch_hook_info").ToList();
        output.WriteLine(string.Join(", ", hooks.Select(hook => $"{hook["operation"]} by {hook["backend"]} {hook["state"]}")));
        Assert.NotEmpty(hooks);
        Assert.All(hooks, hook => Assert.Equal("attached", hook["state"]));
        await AssertCountsOfTheHostAsync(container);

        // What people are told to run when something is wrong.
        var doctor = await container.ExecAsync("sockwatch", "doctor");
        Assert.True(doctor.ExitCode == 0, doctor.Output);
        output.WriteLine(doctor.Output);
    }

    [Theory]
    [InlineData("BPF")]
    [InlineData("PERFMON")]
    [InlineData("NET_ADMIN")]
    public async Task One_capability_less_is_named(string capability)
    {
        var (pod, map) = await RenderAsync();
        await using var container = await Container.StartAsync(pod, map, without: capability);

        var (exitCode, errors) = await container.EndedAsync();

        output.WriteLine(errors);
        Assert.Equal(1, exitCode);
        var last = errors.Split('\n').Last(line => line.StartsWith("sockwatch: ", StringComparison.Ordinal));
        Assert.Equal([$"CAP_{capability}"], Named().Matches(last).Select(match => match.Value));
    }

    [Fact]
    public async Task A_seccomp_profile_that_refuses_bpf_is_named()
    {
        var (pod, map) = await RenderAsync();
        var seccomp = await SeccompProfile.OfPodmanAsync([.. pod.Containers[0].SecurityContext.Capabilities.Add]);
        Assert.SkipWhen(Allows(seccomp, "bpf"), "the profile of this machine's Podman lets bpf through");
        await using var container = await Container.StartAsync(pod, map, seccomp: seccomp);

        var (exitCode, errors) = await container.EndedAsync();

        output.WriteLine(errors);
        Assert.Equal(1, exitCode);
        Assert.Contains("seccomp", errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_nodes_processes_tell_who_owns_what_was_there_before(bool hostPid)
    {
        var (pod, map) = await RenderAsync("--set", $"hostPID={(hostPid ? "true" : "false")}");
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port);
        using var server = await listener.AcceptSocketAsync();
        var clientPort = $"{((IPEndPoint)client.Client.LocalEndPoint!).Port}";
        await using var container = await Container.StartAsync(pod, map);
        await container.ReadyAsync();

        var before = await container.ScrapeAsync();
        await client.Client.SendAsync(new byte[777]);
        await server.ReceiveAsync(new byte[1000]);
        await Task.Delay(1500);
        await client.Client.SendAsync(new byte[223]);
        await server.ReceiveAsync(new byte[1000]);
        var after = await container.ScrapeAsync();

        var open = before.Of("sockwatch_connections_open").Where(sample => sample.Value == 1 && IsOurs(sample)).Select(sample => sample["network_role"]).Order();
        var bytes = after.Of("sockwatch_socket_io_bytes_total").Where(IsOurs).ToList();
        output.WriteLine(string.Join('\n', bytes.Select(sample => $"{string.Join(' ', sample.Labels.Values)} {sample.Value}")));
        Assert.Equal(hostPid ? ["client", "server"] : [], open);
        // Whoever uses an old socket becomes known by that; all its bytes from then on are counted. Which side serves is a guess without
        // the list of processes, and so is the port.
        Assert.Equal(2000, bytes.Sum(sample => sample.Value));

        if (hostPid)
        {
            Assert.All(bytes, sample => Assert.Equal($"{port}", sample["server_port"]));
        }

        bool IsOurs(Sample sample) => (sample["server_port"] == $"{port}" || sample["server_port"] == clientPort) && sample["process_executable_name"] == "Sockwatch.DeployTests";
    }

    [Fact]
    public async Task Nothing_in_the_image_can_be_written_and_there_is_no_shell()
    {
        await ImageRoot.MakeAsync();

        // Not through the short cuts into /usr.
        var entries = new[] { "usr", "etc" }.SelectMany(folder => Directory.EnumerateFileSystemEntries(
            Path.Combine(ImageRoot.Folder, folder), "*", SearchOption.AllDirectories)).Where(path => new FileInfo(path).LinkTarget is null).ToList();
        var writable = entries.Where(path => (File.GetUnixFileMode(path) & (UnixFileMode.UserWrite | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != 0);
        var programs = Directory.EnumerateFiles(Path.Combine(ImageRoot.Folder, "usr/bin")).Concat(Directory.EnumerateFiles(Path.Combine(ImageRoot.Folder, "usr/sbin")));
        var bytes = entries.Where(File.Exists).Sum(path => new FileInfo(path).Length);

        output.WriteLine($"{bytes / 1048576.0:0.0} MiB");
        Assert.Empty(writable);
        Assert.Equal(["sockwatch"], programs.Select(Path.GetFileName));
        Assert.InRange(bytes, 1, 64 * 1024 * 1024);
    }

    /// <summary>The pod of the chart, on a machine that has all it takes to run it.</summary>
    internal static async Task<(V1PodSpec Pod, V1ConfigMap Map)> RenderAsync(params string[] switches)
    {
        Requires.Root();
        Requires.Program("runc", "runc");
        Requires.Program("nsenter", "util-linux");
        Requires.Program("curl", "curl");
        await Requires.AgentAsync();
        await ImageRoot.MakeAsync();
        var rendered = await Renderer.RenderAsync(switches);
        return (Manifests.Only<V1DaemonSet>(rendered).Spec.Template.Spec, Manifests.Only<V1ConfigMap>(rendered));
    }

    /// <summary>Sockets of another network namespace than the container's, to the byte.</summary>
    internal static async Task AssertCountsOfTheHostAsync(Container container)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port);
        using var server = await listener.AcceptSocketAsync();
        await client.Client.SendAsync(new byte[12345]);
        for (var received = 0; received < 12345; received += await server.ReceiveAsync(new byte[20000]))
        {
        }

        var page = await container.ScrapeAsync();
        for (var patience = 0; patience < 40 && Sum("transmit", "client") != 12345; patience++)
        {
            await Task.Delay(200);
            page = await container.ScrapeAsync();
        }

        Assert.Equal((12345, 12345), (Sum("transmit", "client"), Sum("receive", "server")));

        double Sum(string direction, string role) => page.Sum("sockwatch_socket_io_bytes_total",
            ("server_port", $"{port}"), ("network_role", role), ("network_io_direction", direction), ("process_executable_name", "Sockwatch.DeployTests"));
    }

    private static bool Allows(JsonNode profile, string call) => profile["syscalls"]!.AsArray()
        .Any(rule => (string)rule!["action"]! == "SCMP_ACT_ALLOW" && rule["names"]!.AsArray().Any(name => (string)name! == call));

    [GeneratedRegex("CAP_[A-Z_]+")]
    private static partial Regex Named();
}
