using System.Text.Json;
using Sockwatch.Commands;
using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Commands;

public sealed class DoctorTests : IDisposable
{
    private static readonly string[] Operations = ["connect", "accept", "send", "recv", "release"];

    private readonly string _root = Directory.CreateTempSubdirectory("sockwatch-doctor-").FullName;

    public DoctorTests()
    {
        Write("proc/self/status", "Name:\tsockwatch\nUid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n");
        Write("proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n");
        Write("proc/sys/kernel/osrelease", "6.12.38+deb13-amd64\n");
        Write("proc/sys/kernel/unprivileged_bpf_disabled", "2\n");
        Write("sys/kernel/btf/vmlinux", "");
        Write("sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
        Write("agent/sockwatch.bpf.o", "");
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void A_machine_with_everything_can_run_the_agent()
    {
        var report = Checks().Run();

        Assert.True(report.CanRun);
        Assert.Equal(
            """
            ✓ user              root
            ✓ CAP_BPF           present
            ✓ CAP_PERFMON       present
            ✓ CAP_NET_ADMIN     present
            ✓ CAP_SYS_RESOURCE  present
            ✓ kernel            6.12.38+deb13-amd64
            ✓ BTF               the kernel describes its types
            ✓ lockdown          none
            ✓ unprivileged BPF  off; not needed
            ✓ cgroups           v2 at /sys/fs/cgroup
            ✓ libbpf            libbpf.so.1
            ✓ BPF objects       sockwatch.bpf.o

            Hooks
            ✓ connect           tracepoint x
            ✓ accept            tracepoint x
            ✓ send              tracepoint x
            ✓ recv              tracepoint x
            ✓ release           tracepoint x

            This machine can run sockwatch.

            """,
            Text(report));
    }

    [Theory]
    [InlineData("proc/self/status", "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t000000c000000000\n", "✗ CAP_NET_ADMIN     missing: no cgroup hook")]
    [InlineData("proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n", "✗ cgroups           v1 only: ")]
    [InlineData("proc/self/status", "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n", "✗ CAP_BPF           missing: no BPF program can be loaded\n    fix: run as root, or grant CAP_BPF")]
    [InlineData("proc/self/status", "Uid:\t0\t0\t0\t0\nCapEff:\t0000008000000000\n", "✗ CAP_PERFMON       missing: no tracing program can be loaded\n    fix: ")]
    [InlineData("sys/kernel/security/lockdown", "none integrity [confidentiality]\n", "✗ lockdown          confidentiality: BPF programs may not read kernel memory\n    fix: ")]
    public void What_stands_in_the_way_has_its_fix_below(string path, string content, string line)
    {
        Write(path, content);

        var report = Checks().Run();

        Assert.False(report.CanRun);
        Assert.Contains(line, Text(report), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("proc/sys/kernel/osrelease", "5.14.0-503.el9\n", "! kernel            5.14.0-503.el9 is older than 6.3; the hooks below decide")]
    [InlineData("proc/sys/kernel/unprivileged_bpf_disabled", "0\n", "! unprivileged BPF  open to every user")]
    public void What_only_costs_something_is_a_warning(string path, string content, string line)
    {
        Write(path, content);

        var report = Checks().Run();

        Assert.True(report.CanRun);
        Assert.Contains(line, Text(report), StringComparison.Ordinal);
    }

    [Fact]
    public void The_old_administrator_capability_includes_the_new_ones()
    {
        Write("proc/self/status", "Uid:\t0\t0\t0\t0\nCapEff:\t0000000000200000\n");

        Assert.True(Checks().Run().CanRun);
    }

    [Fact]
    public void Knows_hybrid_cgroups()
    {
        Write("proc/self/mountinfo", "1 2 0:1 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n3 2 0:2 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");

        Assert.Contains("✓ cgroups           hybrid, v2 at /sys/fs/cgroup/unified", Text(Checks().Run()), StringComparison.Ordinal);
    }

    [Fact]
    public void Missing_files_are_told_and_not_thrown()
    {
        Directory.Delete(Path.Combine(_root, "proc"), recursive: true);
        Directory.Delete(Path.Combine(_root, "sys"), recursive: true);

        var text = Text(Checks(libbpf: false, agent: "nowhere").Run());

        Assert.Contains("✗ BTF               /sys/kernel/btf/vmlinux is missing", text, StringComparison.Ordinal);
        Assert.Contains("✗ libbpf            libbpf.so.1 is not installed", text, StringComparison.Ordinal);
        Assert.Contains("✗ BPF objects       no *.bpf.o beside the executable", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_required_hook_that_does_not_load_fails_and_another_only_warns()
    {
        var hooks = Operations.Select(operation => new HookProbeResult(operation, "tracepoint x", operation != "send", "no such tracepoint", "use Linux 6.3"))
            .Append(new HookProbeResult("recv", "cgroup recvmsg6", false, "not there", null, IsRequired: false));

        var report = Checks(() => [.. hooks]).Run();

        Assert.False(report.CanRun);
        Assert.Contains("✗ send              tracepoint x: no such tracepoint\n    fix: use Linux 6.3\n", Text(report), StringComparison.Ordinal);
        Assert.Contains("! recv              cgroup recvmsg6: not there\n", Text(report), StringComparison.Ordinal);
        Assert.EndsWith("This machine cannot run sockwatch yet: 1 requirement is not met.\n", Text(report), StringComparison.Ordinal);
    }

    [Fact]
    public void A_probe_that_fails_is_a_finding()
    {
        var report = Checks(() => throw new InvalidOperationException("no\nlibbpf")).Run();

        Assert.False(report.CanRun);
        Assert.Contains("✗ hooks             cannot be tried: no libbpf\n", Text(report), StringComparison.Ordinal);
    }

    [Fact]
    public void Prints_json_for_programs()
    {
        using var text = new StringWriter();

        Checks().Run().WriteJson(text);

        using var json = JsonDocument.Parse(text.ToString());
        Assert.True(json.RootElement.GetProperty("ok").GetBoolean());
        Assert.Equal("user", json.RootElement.GetProperty("checks")[0].GetProperty("name").GetString());
        Assert.Equal("connect", json.RootElement.GetProperty("hooks")[0].GetProperty("operation").GetString());
        Assert.True(json.RootElement.GetProperty("hooks")[0].GetProperty("works").GetBoolean());
    }

    [Fact]
    public async Task A_machine_that_cannot_is_exit_code_1()
    {
        using var run = new CommandRun { Paths = Paths, AgentDirectory = Path.Combine(_root, "agent") };

        Assert.Equal(ExitCode.Failed, await run.InvokeAsync("doctor"));
        Assert.Contains("✗ connect           no hook for it in the BPF objects\n", run.Output, StringComparison.Ordinal);
        Assert.Equal("", run.Error);
    }

    private HostPaths Paths => new() { ProcRoot = Path.Combine(_root, "proc"), SysRoot = Path.Combine(_root, "sys") };

    private DoctorChecks Checks(Func<IReadOnlyList<HookProbeResult>>? probe = null, bool libbpf = true, string agent = "agent") => new(
        Paths,
        Path.Combine(_root, agent),
        () => libbpf,
        probe ?? (() => [.. Operations.Select(operation => new HookProbeResult(operation, "tracepoint x", true, null, null))]));

    private static string Text(DoctorReport report)
    {
        using var text = new StringWriter { NewLine = "\n" };
        report.WriteText(text, colours: false);
        return text.ToString();
    }

    private void Write(string path, string content)
    {
        var file = Path.Combine(_root, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, content);
    }
}
