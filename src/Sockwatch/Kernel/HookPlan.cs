namespace Sockwatch.Kernel;

/// <summary>The way that was chosen for a group of hooks.</summary>
/// <param name="Way">Null when there is none, and the group can be done without.</param>
/// <param name="Refused">The ways that would have been better, each with the reason against it.</param>
internal sealed record ChosenWay(HookGroup Group, HookWay? Way, IReadOnlyList<(HookWay Way, Refusal Reason)> Refused);

/// <summary>Which programs observe this machine.</summary>
internal sealed record HookPlan(StateKeeping Keeping, IReadOnlyList<ChosenWay> Choices)
{
    /// <summary>Of the chosen ways; a program with two operations is there twice.</summary>
    public IEnumerable<HookProgram> Hooks => Choices.SelectMany(choice => choice.Way?.Programs ?? [])
        .Where(hook => !hook.HashOnly || Keeping != StateKeeping.Storage);

    /// <summary>Programs that the agent runs itself, to read the sockets' states.</summary>
    public (string Flush, string Report, string Map) Readings => Keeping == StateKeeping.Storage
        ? ("sw_flush", "sw_report", "socket_states")
        : ("sw_flush_hash", "sw_report_hash", "socket_hash");
}
