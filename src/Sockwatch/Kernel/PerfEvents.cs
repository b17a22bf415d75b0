using Sockwatch.Bpf;

namespace Sockwatch.Kernel;

/// <summary>
/// Kprobes and plain tracepoints are attached by perf_event_open(2). Debian's and Ubuntu's kernels keep that to CAP_SYS_ADMIN while
/// kernel.perf_event_paranoid is above 2, whatever CAP_PERFMON says; to other kernels such a value means no more than 2.
/// </summary>
internal static class PerfEvents
{
    private const int LastForPerfmon = 2;

    private static readonly Version TellsLengths = new(6, 3);

    public static bool AreKeptFromPerfmon(HostFacts host) => host.PerfEventParanoid > LastForPerfmon;

    /// <summary>Whether such a hook may be the way to observe something here; only loading tells which one is.</summary>
    public static bool MayBeUsed(HostFacts host, BackendChoice choice, bool capturesPayload) =>
        choice == BackendChoice.Kprobe || capturesPayload || !host.HasKernelTypes || host.Cgroups.Unified is null
        || host.KernelVersion is null || host.KernelVersion < TellsLengths || Preemption.ReachesTracepoints(host);

    /// <summary>Why a program that was loaded cannot be attached.</summary>
    public static Refusal WhyNotAttached(BpfException failure, HostFacts host, HookProgram hook)
    {
        const int NotPermitted = 1;
        const int NoAccess = 13;
        if (failure.Errno is not (NotPermitted or NoAccess)
            || hook.Form is not (ProgramForm.FunctionEntry or ProgramForm.FunctionReturn or ProgramForm.Tracepoint))
        {
            return new Refusal(failure.Message);
        }

        return AreKeptFromPerfmon(host) && !host.Capabilities.Has(Capability.SysAdmin)
            ? new Refusal(
                $"not permitted: kernel.perf_event_paranoid is {host.PerfEventParanoid}; run with CAP_SYS_ADMIN, or set it to {LastForPerfmon}",
                $"grant CAP_SYS_ADMIN, or sysctl kernel.perf_event_paranoid={LastForPerfmon}")
            : Refusal.OfPermission(host, hook.Backend);
    }
}
