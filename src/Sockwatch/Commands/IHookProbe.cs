namespace Sockwatch.Commands;

/// <summary>Whether one hook of an operation can be loaded on this kernel.</summary>
/// <param name="Reason">Why not, in the kernel's words or ours.</param>
/// <param name="Fix">What the operator can do about it.</param>
/// <param name="IsRequired">Without it the agent does not run; without another it runs and sees less.</param>
internal sealed record HookProbeResult(
    string Operation, string Backend, bool Works, string? Reason, string? Fix, bool IsRequired = true);

internal interface IHookProbe
{
    IReadOnlyList<HookProbeResult> Probe();
}
