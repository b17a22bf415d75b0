namespace Sockwatch.Diagnostics;

/// <summary>As it was at one moment.</summary>
internal readonly record struct ListCounts(int FromFiles, int Added, DateTimeOffset? Since);

/// <summary>How many entries addresses are matched with, and since when.</summary>
internal sealed class ListStatus
{
    private int _fromFiles;
    private int _added;
    private long _since;

    public int FromFiles => Volatile.Read(ref _fromFiles);

    public int Added
    {
        get => Volatile.Read(ref _added);
        set => Volatile.Write(ref _added, value);
    }

    /// <summary>When entries of files were last put in force; null never.</summary>
    public DateTimeOffset? Since => Volatile.Read(ref _since) is var ticks and not 0 ? new DateTimeOffset(ticks, TimeSpan.Zero) : null;

    public ListCounts Read() => new(FromFiles, Added, Since);

    public void InForce(int entries, DateTimeOffset now)
    {
        Volatile.Write(ref _fromFiles, entries);
        Volatile.Write(ref _since, now.UtcTicks);
    }
}
