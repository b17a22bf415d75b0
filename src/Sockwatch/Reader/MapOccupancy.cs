namespace Sockwatch.Reader;

/// <summary>How full a kernel map is.</summary>
internal sealed record MapOccupancy(string Map, long Entries, long MaxEntries);
