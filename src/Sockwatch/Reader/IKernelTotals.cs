using Sockwatch.Kernel;

namespace Sockwatch.Reader;

/// <summary>The running totals in the kernel's maps. Used by one collection at a time.</summary>
internal interface IKernelTotals
{
    /// <summary>Brings the maps up to date with what the sockets have counted since their last flush.</summary>
    void Flush();

    /// <summary>Hands out every edge, then timings and failures, each with its values since the map was made.</summary>
    void ReadEdges(IEdgeSink sink);

    ObservedBytes ReadObserved();

    /// <summary>Fills one total per <see cref="LossReason"/>; the span is <see cref="LossReasons.Count"/> long.</summary>
    void ReadLosses(Span<ulong> byReason);

    string? ExecutablePath(ulong id);

    string? CgroupPath(ulong id);

    /// <summary>Removes edges with their timings and failures. What one counted since it was last read is lost.</summary>
    void RemoveEdges(IReadOnlyCollection<EdgeKey> keys);

    IReadOnlyList<MapOccupancy> Maps();

    IReadOnlyList<ProgramCost> Programs();
}
