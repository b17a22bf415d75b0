using Sockwatch.Kernel;

namespace Sockwatch.Commands;

internal enum DoctorState
{
    Ok,

    /// <summary>Works, with less.</summary>
    Warning,

    Failed,
}

/// <summary>One requirement.</summary>
/// <param name="Fix">What to do about it; null when all is well.</param>
/// <param name="Group">Those of a group that are well share a line for people, under this name; empty keeps quiet then.</param>
internal sealed record DoctorCheck(string Name, DoctorState State, string Detail, string? Fix = null, string? Group = null);

/// <summary>What <c>sockwatch doctor</c> found; <see cref="DoctorText"/> and <see cref="DoctorJson"/> show it.</summary>
internal sealed record DoctorReport(
    HostFacts Host, IReadOnlyList<DoctorCheck> Checks, IReadOnlyList<HookNeed> Hooks, MapPlan? Maps, MemoryLimit? Memory)
{
    public int Failures => Checks.Count(check => check.State == DoctorState.Failed) + Hooks.Count(hook => StateOf(hook) == DoctorState.Failed);

    public bool CanRun => Failures == 0;

    public static DoctorState StateOf(HookNeed need) =>
        need.InUse is not null ? DoctorState.Ok : need.IsRequired ? DoctorState.Failed : DoctorState.Warning;
}
