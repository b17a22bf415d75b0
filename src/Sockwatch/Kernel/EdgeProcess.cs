namespace Sockwatch.Kernel;

/// <summary>
/// Mirrors bpf/edge_process.h: the number of an executable, with the pid in its lower bits where edges are told apart by process.
/// </summary>
internal static class EdgeProcess
{
    private const ulong HasProcess = 1UL << 63;
    private const ulong PidMask = (1UL << 22) - 1;

    /// <summary>The number that the executable's name is found by.</summary>
    public static ulong ExecutableOf(ulong id) => (id & HasProcess) == 0 ? id : id & ~(HasProcess | PidMask);

    /// <summary>0 where there is none in it.</summary>
    public static uint PidOf(ulong id) => (id & HasProcess) == 0 ? 0 : (uint)(id & PidMask);
}
