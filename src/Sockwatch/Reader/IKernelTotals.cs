using Sockwatch.Kernel;

namespace Sockwatch.Reader;

/// <summary>The running totals in the kernel's maps. Used by one collection at a time.</summary>
internal interface IKernelTotals
{
    /// <summary>Brings the maps up to date with what the sockets have counted since their last flush.</summary>
    void Flush();

    /// <summary>Hands out every edge, then timings, failures and detections, each with its values since the map was made.</summary>
    void ReadEdges(IEdgeSink sink);

    ObservedBytes ReadObserved();

    /// <summary>Fills one total per <see cref="LossReason"/>; the span is <see cref="LossReasons.Count"/> long.</summary>
    void ReadLosses(Span<ulong> byReason);

    string? ExecutablePath(ulong id);

    /// <summary>Whether a process is alive and still runs what it ran, by its number in <see cref="EdgeKey.ExecutableId"/>.</summary>
    bool HasProcess(ulong id);

    string? CgroupPath(ulong id);

    /// <summary>The cgroups that have a name.</summary>
    IReadOnlyList<ulong> CgroupIds();

    /// <summary>Takes the names away, for the next cgroups to have room.</summary>
    void ForgetCgroups(IReadOnlyCollection<ulong> ids);

    /// <summary>Fills in how many flows began, by <see cref="FlowAttribution"/>; the span has a place for each.</summary>
    void ReadAttributions(Span<ulong> flows);

    /// <summary>Removes edges with their timings, failures and detections. What one counted since it was last read is lost.</summary>
    void RemoveEdges(IReadOnlyCollection<EdgeKey> keys);

    IReadOnlyList<MapOccupancy> Maps();

    IReadOnlyList<ProgramCost> Programs();
}
