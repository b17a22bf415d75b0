using System.Diagnostics;
using System.Text.Json.Nodes;
using k8s.Models;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.DeployTests.Image;

/// <summary>
/// The image's root file system as a container of runc's, set up from the chart's pod as a kubelet and containerd would: its
/// capabilities, mounts and namespaces, and a network of its own. Disposing ends it.
/// </summary>
internal sealed class Container : IAsyncDisposable
{
    private const int Port = 9807;
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);

    private readonly Process _process;
    private readonly DirectoryInfo _bundle;
    private readonly string _name;
    private readonly Task<string> _errors;

    private Container(Process process, DirectoryInfo bundle, string name)
    {
        _process = process;
        _bundle = bundle;
        _name = name;
        _errors = process.StandardError.ReadToEndAsync();
        _ = process.StandardOutput.ReadToEndAsync();
    }

    /// <summary>The first process of the container, as the host sees it.</summary>
    public int Pid { get; private set; }

    /// <summary>Starts the agent in the pod.</summary>
    /// <param name="pod">As the chart renders it.</param>
    /// <param name="map">Its configuration.</param>
    /// <param name="without">A capability that the pod would have.</param>
    /// <param name="seccomp">Whether a rule for system calls is on, and which.</param>
    public static async Task<Container> StartAsync(V1PodSpec pod, V1ConfigMap map, string? without = null, JsonNode? seccomp = null)
    {
        var runc = Requires.Program("runc", "runc");
        var bundle = Directory.CreateTempSubdirectory("sockwatch-test-");
        var name = $"sockwatch-test-{Environment.ProcessId}-{Guid.NewGuid():N}";
        foreach (var (file, content) in map.Data)
        {
            await File.WriteAllTextAsync(Path.Combine(Directory.CreateDirectory(Path.Combine(bundle.FullName, "config")).FullName, file), content);
        }

        var specification = Specify(pod, bundle.FullName, without, seccomp);
        await File.WriteAllTextAsync(Path.Combine(bundle.FullName, "config.json"), specification.ToJsonString());
        var process = Process.Start(new ProcessStartInfo(runc, ["--root", Path.Combine(bundle.FullName, "state"), "run", "--bundle", bundle.FullName, name])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        return new Container(process, bundle, name);
    }

    /// <summary>Until the agent says that it is ready.</summary>
    public async Task ReadyAsync()
    {
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < StartLimit)
        {
            Assert.False(_process.HasExited, _process.HasExited ? await _errors : "");
            Pid = Pid == 0 ? await FindPidAsync() : Pid;
            if (Pid != 0 && (await AskAsync("/readyz")) is "ready\n")
            {
                return;
            }

            await Task.Delay(100);
        }

        throw new TimeoutException($"the container is not ready after {StartLimit}: {await AskAsync("/readyz")}");
    }

    /// <summary>Until the agent ends by itself; what it said on standard error.</summary>
    public async Task<(int ExitCode, string Errors)> EndedAsync()
    {
        using var limit = new CancellationTokenSource(StartLimit);
        await _process.WaitForExitAsync(limit.Token);
        return (_process.ExitCode, await _errors);
    }

    public async Task<MetricPage> ScrapeAsync() => MetricPage.Parse(await AskAsync("/metrics"));

    /// <summary>A command of the image in the running container.</summary>
    public Task<Ended> ExecAsync(params string[] command) =>
        Shell.RunAsync("runc", ["--root", Path.Combine(_bundle.FullName, "state"), "exec", _name, .. command]);

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            if (Pid == 0)
            {
                Pid = await FindPidAsync();
            }

            await Shell.RunAsync("runc", "--root", Path.Combine(_bundle.FullName, "state"), "kill", _name, "TERM");
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(15));
            await _process.WaitForExitAsync(limit.Token);
        }

        _process.Dispose();
        _bundle.Delete(recursive: true);
    }

    // The pod's network is its own: its loopback is reached from within.
    private async Task<string> AskAsync(string path) =>
        (await Shell.RunAsync("nsenter", "--target", $"{Pid}", "--net", "curl", "-s", $"http://127.0.0.1:{Port}{path}")).Output;

    private async Task<int> FindPidAsync()
    {
        var state = await Shell.RunAsync("runc", "--root", Path.Combine(_bundle.FullName, "state"), "state", _name);
        return state.ExitCode == 0 ? JsonNode.Parse(state.Output)!["pid"]!.GetValue<int>() : 0;
    }

    private static JsonObject Specify(V1PodSpec pod, string bundle, string? without, JsonNode? seccomp)
    {
        var container = pod.Containers.Single();
        var context = container.SecurityContext;
        var capabilities = context.Capabilities.Add.Where(capability => capability != without).Select(capability => $"CAP_{capability}").ToList();
        List<string> namespaces = ["mount", "uts", "ipc", "cgroup"];
        if (pod.HostPID != true)
        {
            namespaces.Add("pid");
        }

        if (pod.HostNetwork != true)
        {
            namespaces.Add("network");
        }

        return new JsonObject
        {
            ["ociVersion"] = "1.0.2",
            ["process"] = new JsonObject
            {
                ["user"] = new JsonObject { ["uid"] = (int)context.RunAsUser!, ["gid"] = (int)context.RunAsGroup! },
                ["args"] = Array(["/usr/bin/sockwatch", .. container.Args]),
                ["env"] = Array(["PATH=/usr/bin", "NODE_NAME=node-1", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"]),
                ["cwd"] = "/",
                ["noNewPrivileges"] = context.AllowPrivilegeEscalation == false,
                ["capabilities"] = new JsonObject
                {
                    ["bounding"] = Array(capabilities),
                    ["effective"] = Array(capabilities),
                    ["permitted"] = Array(capabilities),
                },
            },
            ["root"] = new JsonObject { ["path"] = ImageRoot.Folder, ["readonly"] = context.ReadOnlyRootFilesystem },
            ["hostname"] = "sockwatch-abcde",
            ["mounts"] = new JsonArray(
            [
                Mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
                Mount("/dev", "tmpfs", "tmpfs", "nosuid", "mode=755", "size=65536k"),
                Mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
                .. container.VolumeMounts.Select(mount => Mount(pod.Volumes.Single(volume => volume.Name == mount.Name), mount, bundle)),
            ]),
            ["linux"] = new JsonObject
            {
                ["namespaces"] = new JsonArray([.. namespaces.Select(name => new JsonObject { ["type"] = name })]),
                ["maskedPaths"] = Array(["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"]),
                ["readonlyPaths"] = Array(["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]),
                ["seccomp"] = seccomp?.DeepClone(),
            },
        };
    }

    private static JsonObject Mount(V1Volume volume, V1VolumeMount mount, string bundle) => volume switch
    {
        { HostPath: { } host } => Mount(mount.MountPath, "bind", host.Path, "rbind", "rprivate", mount.ReadOnlyProperty == true ? "ro" : "rw"),
        { EmptyDir: not null } => Mount(mount.MountPath, "tmpfs", "tmpfs", "nosuid", "nodev", "size=1m"),
        _ => Mount(mount.MountPath, "bind", Path.Combine(bundle, "config"), "rbind", "rprivate", "ro"),
    };

    private static JsonObject Mount(string destination, string type, string source, params string[] options) => new()
    {
        ["destination"] = destination,
        ["type"] = type,
        ["source"] = source,
        ["options"] = Array(options),
    };

    private static JsonArray Array(IEnumerable<string> items) => new([.. items.Select(item => JsonValue.Create(item))]);
}
