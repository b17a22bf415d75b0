namespace Sockwatch.Commands;

/// <summary>Whether one backend of an operation can be loaded on this kernel.</summary>
/// <param name="Reason">Why not, in the kernel's words or ours.</param>
/// <param name="Fix">What the operator can do about it.</param>
internal sealed record HookProbeResult(string Operation, string Backend, bool Works, string? Reason, string? Fix);

internal interface IHookProbe
{
    IReadOnlyList<HookProbeResult> Probe();
}
