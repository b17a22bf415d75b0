using System.Runtime.InteropServices;
using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Kernel;

public sealed class HookSwitchesTests : IDisposable
{
    private const string Functions = "proc/sys/kernel/ftrace_enabled";
    private const string Kprobes = "sys/kernel/debug/kprobes/enabled";

    private readonly string _root = Directory.CreateTempSubdirectory("sockwatch-switches-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void What_cannot_be_seen_counts_as_on()
    {
        Assert.All(Enum.GetValues<ProgramForm>(), form => Assert.Null(WhyOff(form)));

        Write(Functions, "1");
        Write(Kprobes, "1");
        Assert.All(Enum.GetValues<ProgramForm>(), form => Assert.Null(WhyOff(form)));
    }

    [Fact]
    public void Without_function_tracing_trampolines_are_off_and_kprobes_where_they_are_built_on_it()
    {
        Write(Functions, "0");

        Assert.All(
            [ProgramForm.Trampoline, ProgramForm.FunctionEntry, ProgramForm.FunctionReturn],
            form => Assert.Equal("sysctl kernel.ftrace_enabled=1", WhyOff(form)?.Fix));
        Assert.Null(WhyOff(ProgramForm.FunctionEntry, Architecture.Arm64));
        Assert.Equal("sysctl kernel.ftrace_enabled=1", WhyOff(ProgramForm.Trampoline, Architecture.Arm64)?.Fix);
        AssertOthersAreOn();
    }

    [Fact]
    public void Kprobes_have_a_switch_of_their_own()
    {
        Write(Kprobes, "0");

        Assert.Equal(new Refusal("kprobes were switched off", "echo 1 > /sys/kernel/debug/kprobes/enabled"), WhyOff(ProgramForm.FunctionEntry));
        Assert.Null(WhyOff(ProgramForm.Trampoline));
        AssertOthersAreOn();
    }

    [Fact]
    public void A_hook_that_is_switched_off_is_not_offered()
    {
        Write(Kprobes, "0");
        Write("proc/kallsyms", "0000000000000000 T inet_release\n");
        using var offer = new KernelOffer(new HostFacts { HasKernelTypes = false }, Paths);

        // A kernel without kprobes says that first.
        Assert.StartsWith(
            Bpf.BpfHost.HasKprobes ? "kprobes were switched off" : "this kernel has no kprobes", offer.WhyNot(Hook(ProgramForm.FunctionEntry))?.Reason,
            StringComparison.Ordinal);
    }

    private void AssertOthersAreOn() =>
        Assert.All([ProgramForm.TypedTracepoint, ProgramForm.Tracepoint, ProgramForm.Cgroup], form => Assert.Null(WhyOff(form)));

    private Refusal? WhyOff(ProgramForm form, Architecture architecture = Architecture.X64) => HookSwitches.WhyOff(Hook(form), Paths, architecture);

    private HostPaths Paths => new() { ProcRoot = Path.Combine(_root, "proc"), SysRoot = Path.Combine(_root, "sys") };

    private static HookProgram Hook(ProgramForm form) =>
        new("sw_hook", "release", form, "inet_release", "4.1", IsRequired: true, "the end of UDP sockets is not seen");

    private void Write(string path, string content)
    {
        var file = Path.Combine(_root, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, content);
    }
}
