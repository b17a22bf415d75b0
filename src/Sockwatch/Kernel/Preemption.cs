namespace Sockwatch.Kernel;

/// <summary>
/// Whether another task can take over the processor while a program runs. The kernel runs no program where it is running
/// already, so until the first task is back, every other one on that processor would be missed.
/// </summary>
internal static class Preemption
{
    // They are called under SRCU since, and no longer with preemption off.
    private static readonly Version TracepointsSince = new(7, 0);

    public static bool ReachesTracepoints(HostFacts host) => host.KernelVersion >= TracepointsSince;

    /// <summary>Trampolines leave preemption as it is, so it is for the kernel's model to say.</summary>
    public static bool ReachesTrampolines(HostFacts host) => host.KernelVersion >= TracepointsSince || host.IsFullyPreemptible;

    /// <param name="build">Of uname -v, such as "#1 SMP PREEMPT_DYNAMIC Debian 6.12.12-1".</param>
    /// <param name="model">Of /sys/kernel/debug/sched/preempt, such as "none (voluntary) full"; null when it is not there.</param>
    /// <param name="commandLine">Of the kernel.</param>
    /// <param name="configuration">Of the kernel: the model it starts with.</param>
    public static bool IsFull(string build, string? model, string commandLine, KernelConfiguration configuration)
    {
        if (!build.Contains("PREEMPT", StringComparison.Ordinal))
        {
            return false;
        }

        if (!build.Contains("PREEMPT_DYNAMIC", StringComparison.Ordinal))
        {
            return true;
        }

        if (model is not null)
        {
            return !model.Contains("(none)", StringComparison.Ordinal) && !model.Contains("(voluntary)", StringComparison.Ordinal);
        }

        var asked = commandLine.Split(' ', StringSplitOptions.TrimEntries).LastOrDefault(word => word.StartsWith("preempt=", StringComparison.Ordinal));
        if (asked is not null)
        {
            return asked is not ("preempt=none" or "preempt=voluntary");
        }

        // Unknown is as good as full: the other ways cost more and miss nothing either.
        return configuration["CONFIG_PREEMPT_NONE"] != "y" && configuration["CONFIG_PREEMPT_VOLUNTARY"] != "y";
    }
}
