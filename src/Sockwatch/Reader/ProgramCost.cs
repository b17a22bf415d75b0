namespace Sockwatch.Reader;

/// <summary>What a BPF program has cost since it was loaded, by the kernel's own account.</summary>
/// <param name="Missed">Calls that the kernel skipped because the program was running on that CPU already.</param>
internal sealed record ProgramCost(string Program, TimeSpan RunTime, long Runs, long Missed = 0);
