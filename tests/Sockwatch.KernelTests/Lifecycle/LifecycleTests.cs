using System.Runtime.InteropServices;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.Lifecycle;

public class LifecycleTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Is_ready_in_under_two_seconds_and_gone_in_under_five()
    {
        Requires.Bpf();
        var before = LoadedPrograms();

        var agent = await RunningAgent.StartAsync();
        var during = LoadedPrograms();
        var resident = agent.ResidentBytes;
        var stop = await agent.StopAsync();
        var exitCode = agent.Process.ExitCode;
        await agent.DisposeAsync();

        output.WriteLine($"ready after {agent.StartTime.TotalMilliseconds:F0} ms, {resident >> 20} MiB resident, gone after {stop.TotalMilliseconds:F0} ms");
        Assert.True(agent.StartTime < TimeSpan.FromSeconds(2), $"ready after {agent.StartTime}");
        Assert.True(stop < TimeSpan.FromSeconds(5), $"gone after {stop}");
        Assert.Equal(0, exitCode);
        Assert.True(during.Count > before.Count);

        // The kernel frees programs when their last user is done.
        var left = LoadedPrograms();
        for (var patience = 0; patience < 50 && !left.IsSubsetOf(before); patience++)
        {
            await Task.Delay(100);
            left = LoadedPrograms();
        }

        Assert.Empty(left.Except(before));
    }

    [Fact]
    public async Task Writes_what_happened_up_to_the_end()
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "-", "--format", "json");

        var (truth, _) = await LoadProgram.RunAsync("truth-client", "send", "--family", "4");
        truth.Dispose();
        await agent.StopAsync();

        Assert.Contains(agent.Output, line => line.Contains("\"event.name\":\"flow.end\"") && line.Contains("\"process.executable.name\":\"truth-client\""));
        Assert.Contains(agent.Output, line => line.Contains("\"event.name\":\"flow.end\"") && line.Contains("\"process.executable.name\":\"truth-server\""));
    }

    [Fact]
    public async Task A_second_agent_says_so_instead_of_counting_twice()
    {
        Requires.Bpf();
        var state = Directory.CreateTempSubdirectory("sockwatch-test-");
        await using var first = await RunningAgent.StartInAsync(state);

        var second = await Shell.RunAsync(Repository.Agent, ["run", "--listen", $"127.0.0.1:{RunningAgent.FreePort()}"],
            new Dictionary<string, string> { ["SOCKWATCH__STATEDIRECTORY"] = state.FullName });

        Assert.Equal(1, second.ExitCode);
        Assert.Contains($"another agent (pid {first.Process.Id}) is counting on this machine", second.Errors);
        Assert.Single(second.Errors.Trim().Split('\n'));
    }

    [Fact]
    public async Task Names_the_address_when_the_port_is_in_use()
    {
        Requires.Bpf();
        await using var first = await RunningAgent.StartAsync();
        var state = Directory.CreateTempSubdirectory("sockwatch-test-");

        var second = await Shell.RunAsync(Repository.Agent, ["run", "--listen", first.Address],
            new Dictionary<string, string> { ["SOCKWATCH__STATEDIRECTORY"] = state.FullName });

        Assert.Equal(1, second.ExitCode);
        Assert.Contains($"cannot listen on {first.Address}", second.Errors);
        Assert.DoesNotContain("   at ", second.Errors);
    }

    [Fact]
    public async Task Says_what_is_missing_without_permission()
    {
        Requires.Bpf();
        var setpriv = Requires.Program("setpriv", "util-linux");
        var state = Directory.CreateTempSubdirectory("sockwatch-test-");
        File.SetUnixFileMode(state.FullName, (UnixFileMode)0b111_111_111);

        var run = await Shell.RunAsync(setpriv, ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all", Repository.Agent, "run"],
            new Dictionary<string, string> { ["SOCKWATCH__STATEDIRECTORY"] = state.FullName });

        output.WriteLine(run.Errors);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("not permitted: run as root, or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN", run.Errors);
        Assert.DoesNotContain("   at ", run.Errors);
    }

    [Fact]
    public async Task Says_what_is_missing_on_a_kernel_without_type_information()
    {
        Requires.Bpf();
        var unshare = Requires.Program("unshare", "util-linux");

        var run = await Shell.RunAsync(unshare, "-m", "sh", "-c", $"mount -t tmpfs none /sys/kernel/btf && exec {Repository.Agent} run --listen 127.0.0.1:0");

        output.WriteLine(run.Errors);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("CONFIG_DEBUG_INFO_BTF=y", run.Errors);
    }

    [Fact]
    public async Task Names_the_hook_that_a_kernel_does_not_have()
    {
        Requires.Bpf();
        using var objects = ObjectsWithout("sock_send_length");

        var run = await RunWithAsync(objects.Path, "run");

        output.WriteLine(run.Errors);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("sent bytes are not counted", run.Errors);
        Assert.DoesNotContain("   at ", run.Errors);
    }

    [Fact]
    public async Task Doctor_marks_the_hook_that_a_kernel_does_not_have()
    {
        Requires.Bpf();
        using var objects = ObjectsWithout("sock_send_length");

        var doctor = await RunWithAsync(objects.Path, "doctor");

        output.WriteLine(doctor.Output);
        Assert.Equal(1, doctor.ExitCode);
        Assert.Contains("✗ send", doctor.Output);
    }

    [Fact]
    public async Task Goes_on_without_a_hook_that_totals_do_not_need_and_says_so()
    {
        Requires.Bpf();
        using var objects = ObjectsWithout("tcp_send_reset");
        await using var agent = await RunningAgent.StartWithAsync(objects.Path);

        var page = await agent.ScrapeAsync();

        Assert.Contains(page.Of("sockwatch_hook_info"), hook => hook["operation"] == "reset" && hook["state"] == "missing");
        Assert.Contains("Not attached: tcp_send_reset", agent.Errors);
    }

    private static Task<Ended> RunWithAsync(string objects, string command) => Shell.RunAsync(
        Repository.Agent, [command], new Dictionary<string, string> { ["SOCKWATCH_BPF_DIR"] = objects });

    /// <summary>The real programs, one of them for a tracepoint that no kernel has.</summary>
    private static TemporaryFolder ObjectsWithout(string tracepoint)
    {
        var folder = new TemporaryFolder();
        var programs = File.ReadAllBytes(Path.Combine(Repository.Root, "artifacts/bpf/sockwatch.bpf.o"));
        var name = System.Text.Encoding.ASCII.GetBytes($"tp_btf/{tracepoint}\0");
        for (var at = programs.AsSpan().IndexOf(name); at >= 0; at = programs.AsSpan().IndexOf(name))
        {
            programs[at + name.Length - 2] = (byte)'_';
        }

        File.WriteAllBytes(Path.Combine(folder.Path, "sockwatch.bpf.o"), programs);
        return folder;
    }

    private static HashSet<uint> LoadedPrograms()
    {
        var programs = new HashSet<uint>();
        for (uint id = 0; bpf_prog_get_next_id(id, out id) == 0;)
        {
            programs.Add(id);
        }

        return programs;
    }

    [DllImport("libbpf.so.1")]
    private static extern int bpf_prog_get_next_id(uint start, out uint next);

    private sealed class TemporaryFolder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("sockwatch-test-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
