using Sockwatch.Kernel;

namespace Sockwatch.Commands;

/// <summary>One way to observe something.</summary>
/// <param name="Backend">As in <c>sockwatch_hook_info</c>: fentry, kprobe, tracepoint or cgroup.</param>
/// <param name="Hook">What it sits on; several with commas between.</param>
/// <param name="Refusal">Why this kernel does not take it; null when it does.</param>
internal sealed record HookCandidate(string Backend, string Hook, Refusal? Refusal = null);

/// <summary>Something of an operation that the agent wants to see, and the ways to see it, best first.</summary>
/// <param name="IsRequired">Without it the agent does not run; without another it runs and sees less.</param>
/// <param name="Without">What is not seen when no candidate works.</param>
internal sealed record HookNeed(string Operation, bool IsRequired, string Without, IReadOnlyList<HookCandidate> Candidates)
{
    /// <summary>The first that works; null when the agent is blind to it here.</summary>
    public HookCandidate? InUse => Candidates.FirstOrDefault(candidate => candidate.Refusal is null);

    /// <summary>What would have been better, or all there is, each with its reason.</summary>
    public IEnumerable<HookCandidate> Refused => Candidates.TakeWhile(candidate => candidate.Refusal is not null);
}

/// <summary>Asks this machine's kernel; the only part of the doctor that loads programs.</summary>
internal interface IHookProbe
{
    /// <summary>What the maps would cost.</summary>
    MapPlan Plan();

    /// <summary>Why cgroup hooks have no place to attach; null when they have.</summary>
    Refusal? WhyNoCgroupHooks();

    /// <summary>Tries each hook, without leaving anything behind.</summary>
    IReadOnlyList<HookNeed> Probe();
}
