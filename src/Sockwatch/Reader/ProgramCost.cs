namespace Sockwatch.Reader;

/// <summary>What a BPF program has cost since it was loaded, by the kernel's own account.</summary>
/// <param name="TurnedAway">Calls that the kernel skipped because the program was running on that CPU already.</param>
/// <param name="Missed">Those of them that no deputy stood in for.</param>
internal sealed record ProgramCost(string Program, TimeSpan RunTime, long Runs, long TurnedAway = 0, long Missed = 0);
