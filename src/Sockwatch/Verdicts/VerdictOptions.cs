namespace Sockwatch.Verdicts;

/// <summary>Lists of addresses whose contact is a detection.</summary>
internal sealed class VerdictOptions
{
    /// <summary>Files with an entry a line, or directories of such files. Read again when they change.</summary>
    public IList<string> Files { get; } = [];

    /// <summary>Entries in force from all files together. Past this, lines are left out and counted.</summary>
    public int MaxEntries { get; set; } = 1_000_000;

    /// <summary>Entries that were added at run time. Past this, the oldest goes; 0 takes none.</summary>
    public int MaxAdded { get; set; } = 65_536;

    /// <summary>How long an entry added at run time lasts that allows an address, unless it says otherwise.</summary>
    public TimeSpan AllowTtl { get; set; } = TimeSpan.FromDays(1);

    /// <summary>The same for one that makes a contact a detection.</summary>
    public TimeSpan DetectTtl { get; set; } = TimeSpan.FromDays(1);
}
