using Sockwatch.Commands;
using Sockwatch.Configuration;
using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Commands;

public sealed class AgentPrivilegesTests : IDisposable
{
    private const string Bpf = "CAP_NET_ADMIN, CAP_PERFMON, CAP_BPF";

    private readonly string _root = Directory.CreateTempSubdirectory("sockwatch-privileges-").FullName;

    public AgentPrivilegesTests()
    {
        Write("proc/sys/kernel/osrelease", "6.12.0\n");
        Write("sys/kernel/btf/vmlinux", "");
        Write("cgroup/cgroup.controllers", "");
        Write("proc/self/mountinfo", $"30 24 0:26 / {_root}/cgroup rw - cgroup2 cgroup2 rw\n");
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void Keeps_what_bpf_needs_and_the_administrators_only_for_the_cost_of_programs()
    {
        Assert.Equal("CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF", Wanted());
        Assert.Equal(Bpf, Wanted(("diagnostics.programStats", "off")));
    }

    [Fact]
    public void Keeps_the_administrators_to_mount_cgroup2_where_there_is_none()
    {
        Write("proc/self/mountinfo", "");

        Assert.Contains("CAP_SYS_ADMIN", Wanted(("diagnostics.programStats", "off")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(":80", true)]
    [InlineData("127.0.0.1:1023", true)]
    [InlineData(":1024", false)]
    [InlineData(":0", false)]
    public void Keeps_the_right_to_a_low_port_when_it_listens_on_one(string listen, bool keeps) =>
        Assert.Equal(keeps, Wanted(("http.listen", listen)).Contains("CAP_NET_BIND_SERVICE", StringComparison.Ordinal));

    [Fact]
    public void Old_kernels_ask_for_more()
    {
        Write("proc/sys/kernel/osrelease", "5.10.0-32-amd64\n");
        Write("proc/self/limits", "Max locked memory         65536                65536                bytes\n");

        Assert.Equal("CAP_NET_ADMIN, CAP_SYS_RESOURCE, CAP_PERFMON, CAP_BPF", Wanted(("diagnostics.programStats", "off")));
    }

    [Theory]
    [InlineData("#1 SMP PREEMPT_RT Debian 6.12.12-1", true)]
    [InlineData("#1 SMP PREEMPT Debian 6.12.12-1", true)]
    [InlineData("#1 SMP Debian 6.12.12-1", false)]
    public void A_kernel_that_preempts_itself_has_its_maps_read_out_of_turn(string build, bool keeps)
    {
        Write("proc/sys/kernel/version", build);

        Assert.Equal(keeps, Wanted(("diagnostics.programStats", "off")).Contains("CAP_SYS_NICE", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("6.1.0", "3", "auto", true)]
    [InlineData("6.1.0", "2", "auto", false)]
    [InlineData("6.12.0", "3", "kprobe", true)]
    [InlineData("6.12.0", "3", "auto", false)]
    [InlineData("7.0.0", "3", "auto", true)]
    public void Keeps_the_administrators_where_hooks_may_be_attached_that_the_kernel_keeps_to_it(
        string release, string paranoid, string backend, bool keeps)
    {
        Write("proc/sys/kernel/osrelease", release);
        Write("proc/sys/kernel/perf_event_paranoid", paranoid);

        Assert.Equal(
            keeps, Wanted(("diagnostics.programStats", "off"), ("kernel.backend", backend)).Contains("CAP_SYS_ADMIN", StringComparison.Ordinal));
    }

    [Fact]
    public void A_kernel_without_types_has_its_sockets_found_through_the_processes()
    {
        File.Delete(Path.Combine(_root, "sys/kernel/btf/vmlinux"));

        Assert.Equal("CAP_DAC_READ_SEARCH, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_PERFMON, CAP_BPF", Wanted(("diagnostics.programStats", "off")));
    }

    [Fact]
    public void Keeps_the_override_for_files_that_are_closed_even_to_root()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "not root: every file is closed to us that is not ours");
        Write("shut/sockwatch.yaml", "");
        Assert.Equal(Bpf, Wanted(("diagnostics.programStats", "off"), ("flowLog.target", $"{_root}/shut/flows.json")));

        // Root is not the owner's equal here without the capability: nobody may enter.
        File.SetUnixFileMode(Path.Combine(_root, "shut"), UnixFileMode.None);

        Assert.Equal("CAP_DAC_OVERRIDE, " + Bpf, Wanted(("diagnostics.programStats", "off"), ("flowLog.target", $"{_root}/shut/flows.json")));
        Assert.Equal("CAP_DAC_OVERRIDE, " + Bpf, Wanted(("diagnostics.programStats", "off"), ("kernel.btf", $"{_root}/shut/kernel.btf")));
        Assert.Equal("CAP_DAC_OVERRIDE, " + Bpf, Wanted(("diagnostics.programStats", "off"), ("stateDirectory", $"{_root}/shut/state")));
        Assert.True(File.Exists($"{_root}/shut/sockwatch.yaml"), "the test's own thread has its capabilities back");
    }

    [Fact]
    public async Task Only_run_lets_go_of_anything()
    {
        var kept = new List<CapabilitySet>();
        foreach (var command in (string[])["run", "doctor"])
        {
            using var run = new CommandRun { KeepOnly = kept.Add };
            run.Stopping.Cancel();

            await run.InvokeAsync(command);
        }

        Assert.True(Assert.Single(kept).Has(Capability.Bpf));
    }

    private string Wanted(params (string Key, string Value)[] settings)
    {
        var environment = settings.ToDictionary(setting => SettingCatalogue.EnvironmentVariable(setting.Key), setting => setting.Value);
        environment.TryAdd("SOCKWATCH__STATEDIRECTORY", Path.Combine(_root, "state"));
        return AgentPrivileges.Of(
            ConfigurationLoader.Load(null, environment, []),
            null,
            new CommandContext
            {
                Composition = new FakeComposition(),
                Terminal = new Terminal { Output = TextWriter.Null, Error = TextWriter.Null },
                Paths = new HostPaths { ProcRoot = Path.Combine(_root, "proc"), SysRoot = Path.Combine(_root, "sys") },
                AgentDirectory = _root,
            }).ToString();
    }

    private void Write(string path, string content)
    {
        var file = Path.Combine(_root, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, content);
    }
}
