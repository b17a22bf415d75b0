using Sockwatch.Bpf;
using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Kernel;

public class PerfEventsTests
{
    private static readonly HostFacts Debian = new()
    {
        KernelVersion = new Version(6, 1),
        PerfEventParanoid = 3,
        Capabilities = CapabilitySet.Of([Capability.Bpf, Capability.Perfmon, Capability.NetAdmin]),
    };

    private static readonly BpfException Denied = new("bpf_program__attach(sw_kprobe_release)", 13);

    [Theory]
    [InlineData(nameof(ProgramForm.FunctionEntry))]
    [InlineData(nameof(ProgramForm.FunctionReturn))]
    [InlineData(nameof(ProgramForm.Tracepoint))]
    public void The_setting_that_forbids_a_hook_is_named_with_the_way_out(string form)
    {
        var refusal = PerfEvents.WhyNotAttached(Denied, Debian, Hook(form));

        Assert.Equal("not permitted: kernel.perf_event_paranoid is 3; run with CAP_SYS_ADMIN, or set it to 2", refusal.Reason);
        Assert.Equal("grant CAP_SYS_ADMIN, or sysctl kernel.perf_event_paranoid=2", refusal.Fix);
    }

    [Fact]
    public void What_something_else_forbids_is_not_laid_to_the_setting()
    {
        Assert.Contains("a security module", Of(Debian with { PerfEventParanoid = 2 }), StringComparison.Ordinal);
        Assert.Contains("a security module", Of(Debian with { Capabilities = CapabilitySet.All }), StringComparison.Ordinal);
        Assert.Equal(
            Denied.Message, PerfEvents.WhyNotAttached(Denied, Debian, Hook(nameof(ProgramForm.Cgroup))).Reason);

        static string Of(HostFacts host) => PerfEvents.WhyNotAttached(Denied, host, Hook(nameof(ProgramForm.FunctionEntry))).Reason;
    }

    [Fact]
    public void The_capability_that_it_asks_for_is_listed_with_that_cost()
    {
        var needed = NeededCapability.On(Debian, capturesPayload: false).Single(needed => needed.Capability == Capability.SysAdmin);

        Assert.Contains("kprobes and plain tracepoints cannot be attached", needed.Without, StringComparison.Ordinal);
        Assert.EndsWith("sysctl kernel.perf_event_paranoid=2", needed.Fix, StringComparison.Ordinal);
    }

    private static HookProgram Hook(string form) => new(
        "sw_hook", "release", Enum.Parse<ProgramForm>(form), "inet_release", "4.1", IsRequired: true, "the end of UDP sockets is not seen");
}
