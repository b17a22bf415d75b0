using System.Runtime.InteropServices;
using Sockwatch.Bpf;
using Sockwatch.Kernel;

namespace Sockwatch.Reader;

/// <summary>Reads the totals out of the kernel's maps, in batches. Used by one collection at a time.</summary>
internal sealed class KernelTotals : IKernelTotals, IDisposable
{
    // A trie of that size takes long to count, and who fills it knows how many there are.
    private const string AddedVerdicts = "added_verdicts";

    private readonly KernelPrograms _programs;
    private readonly ProgramStats _stats;
    private readonly BpfIterator? _flush;
    private readonly BpfMap<EdgeKey, EdgeTotals> _edgeMap;
    private readonly BpfMap<EdgeKey, EdgeTimings> _timingMap;
    private readonly BpfMap<ulong, PathText> _executables;
    private readonly BpfMap<ulong, PathText> _cgroups;
    private readonly BpfMap<uint, ProcessIdentity> _processes;
    private readonly BpfMap<EdgeFailureKey, EdgeFailures> _failureMap;
    private readonly BpfMap<uint, ulong> _losses;
    private readonly PerCpuArray<ObservedBytes> _observed;
    private readonly ObservedBytes[] _observedPerCpu;
    private readonly PerCpuArray<ulong> _attributions;
    private readonly ulong[] _attributionsPerCpu;
    private readonly MapBatches<EdgeKey, EdgeTotals> _edges;
    private readonly MapBatches<EdgeKey, EdgeTimings> _timings;
    private readonly MapBatches<EdgeFailureKey, EdgeFailures> _failures;
    private readonly MapBatches<EdgeFailureKey, EdgeFailures> _overflowFailures;
    private readonly MapBatches<EdgeDetectionKey, ulong> _detections;
    private readonly MapBatches<EdgeDetectionKey, ulong> _overflowDetections;
    private readonly BpfMap<EdgeDetectionKey, ulong> _detectionMap;
    private readonly EdgeShares _shares;

    public KernelTotals(KernelPrograms programs, ProgramStats stats)
    {
        _programs = programs;
        _stats = stats;
        var maps = programs.Object;
        _flush = programs.AttachFlush();
        _edgeMap = maps.Map<EdgeKey, EdgeTotals>("edges");
        _timingMap = maps.Map<EdgeKey, EdgeTimings>("edge_timings");
        _failureMap = maps.Map<EdgeFailureKey, EdgeFailures>("edge_failures");
        _executables = maps.Map<ulong, PathText>("executable_paths");
        _cgroups = maps.Map<ulong, PathText>("cgroup_paths");
        _processes = maps.Map<uint, ProcessIdentity>("processes");
        _losses = maps.Map<uint, ulong>("lost_records");
        _observed = maps.PerCpuArray<ObservedBytes>("observed");
        _observedPerCpu = new ObservedBytes[_observed.CpuCount];
        _attributions = maps.PerCpuArray<ulong>("attributions");
        _attributionsPerCpu = new ulong[_attributions.CpuCount];
        _edges = new MapBatches<EdgeKey, EdgeTotals>(_edgeMap);
        _timings = new MapBatches<EdgeKey, EdgeTimings>(_timingMap);
        _failures = new MapBatches<EdgeFailureKey, EdgeFailures>(_failureMap);
        _overflowFailures = new MapBatches<EdgeFailureKey, EdgeFailures>(
            maps.Map<EdgeFailureKey, EdgeFailures>("overflow_failures"));
        _detectionMap = maps.Map<EdgeDetectionKey, ulong>("edge_detections");
        _detections = new MapBatches<EdgeDetectionKey, ulong>(_detectionMap);
        _overflowDetections = new MapBatches<EdgeDetectionKey, ulong>(maps.Map<EdgeDetectionKey, ulong>("overflow_detections"));
        _shares = new EdgeShares(maps.Map<EdgeOwnerKey, EdgeOwner>("edge_owners"));
    }

    public void Flush() => _flush?.Run();

    public void ReadEdges(IEdgeSink sink)
    {
        using var steadily = _programs.Steadily.Begin();
        _shares.Restart();
        for (_edges.Restart(); _edges.ReadNext();)
        {
            for (var i = 0; i < _edges.Keys.Length; i++)
            {
                _shares.Count(_edges.Keys[i]);
                sink.OnEdge(_edges.Keys[i], _edges.Values[i]);
            }
        }

        for (_timings.Restart(); _timings.ReadNext();)
        {
            for (var i = 0; i < _timings.Keys.Length; i++)
            {
                sink.OnTimings(_timings.Keys[i], _timings.Values[i]);
            }
        }

        ReadFailures(_failures, sink, _shares);
        ReadFailures(_overflowFailures, sink, shares: null);
        ReadDetections(_detections, sink);
        ReadDetections(_overflowDetections, sink);
    }

    public ObservedBytes ReadObserved()
    {
        using var steadily = _programs.Steadily.Begin();
        _observed.Read(0, _observedPerCpu);
        ulong sent = 0, received = 0;
        foreach (var cpu in _observedPerCpu)
        {
            sent += cpu.Transmitted;
            received += cpu.Received;
        }

        return new ObservedBytes(sent, received);
    }

    public void ReadLosses(Span<ulong> byReason)
    {
        using var steadily = _programs.Steadily.Begin();
        for (var reason = 0; reason < byReason.Length; reason++)
        {
            _losses.TryLookup((uint)reason, out byReason[reason]);
        }
    }

    public string? ExecutablePath(ulong id) => ReadPath(_executables, id);

    public bool HasProcess(ulong id)
    {
        using var steadily = _programs.Steadily.Begin();
        return _processes.TryLookup(EdgeProcess.PidOf(id), out var process) && process.ExecutableId == id;
    }

    public string? CgroupPath(ulong id) => ReadPath(_cgroups, id);

    public IReadOnlyList<ulong> CgroupIds()
    {
        using var steadily = _programs.Steadily.Begin();
        var ids = new List<ulong>();
        for (var found = _cgroups.TryFirstKey(out var id); found && ids.Count < _cgroups.Info.MaxEntries;)
        {
            ids.Add(id);
            found = _cgroups.TryNextKey(id, out var next);
            id = next;
        }

        return ids;
    }

    public void ForgetCgroups(IReadOnlyCollection<ulong> ids)
    {
        using var steadily = _programs.Steadily.Begin();
        foreach (var id in ids)
        {
            _cgroups.Delete(id);
        }
    }

    public void ReadAttributions(Span<ulong> flows)
    {
        using var steadily = _programs.Steadily.Begin();
        for (var attribution = 0; attribution < flows.Length; attribution++)
        {
            _attributions.Read(attribution, _attributionsPerCpu);
            flows[attribution] = 0;
            foreach (var cpu in _attributionsPerCpu)
            {
                flows[attribution] += cpu;
            }
        }
    }

    public void RemoveEdges(IReadOnlyCollection<EdgeKey> keys)
    {
        using var steadily = _programs.Steadily.Begin();
        var removed = keys.ToHashSet();
        foreach (var key in removed)
        {
            _edgeMap.Delete(key);
            _timingMap.Delete(key);
        }

        // Failures have keys of their own; one pass finds those of all the edges that go.
        var failures = new List<EdgeFailureKey>();
        for (_failures.Restart(); _failures.ReadNext();)
        {
            foreach (var key in _failures.Keys)
            {
                if (removed.Contains(key.Edge))
                {
                    failures.Add(key);
                }
            }
        }

        _failureMap.DeleteBatch(CollectionsMarshal.AsSpan(failures));
        _detectionMap.DeleteBatch(CollectionsMarshal.AsSpan(DetectionsOf(removed)));
        _shares.Remove(removed, failures);
    }

    public IReadOnlyList<MapOccupancy> Maps()
    {
        using var steadily = _programs.Steadily.Begin();
        return
        [
            .. _programs.Object.Maps
                .Where(map => map.Type is BpfMapType.Hash or BpfMapType.LruHash or BpfMapType.LpmTrie && map.Name != AddedVerdicts)
                .Select(map => new MapOccupancy(map.Name, _programs.Object.CountEntries(map.Name) ?? 0, map.MaxEntries)),
        ];
    }

    public IReadOnlyList<ProgramCost> Programs() =>
        [.. _stats.Read().Select(cost => new ProgramCost(cost.Program, cost.RunTime, cost.Runs, cost.TurnedAway, cost.Missed))];

    public void Dispose() => _flush?.Dispose();

    private string? ReadPath(BpfMap<ulong, PathText> paths, ulong id)
    {
        using var steadily = _programs.Steadily.Begin();
        return paths.TryLookup(id, out var path) ? path.ToString() : null;
    }

    private List<EdgeDetectionKey> DetectionsOf(HashSet<EdgeKey> edges)
    {
        var detections = new List<EdgeDetectionKey>();
        for (_detections.Restart(); _detections.ReadNext();)
        {
            foreach (var key in _detections.Keys)
            {
                if (edges.Contains(key.Edge))
                {
                    detections.Add(key);
                }
            }
        }

        return detections;
    }

    private static void ReadDetections(MapBatches<EdgeDetectionKey, ulong> batches, IEdgeSink sink)
    {
        for (batches.Restart(); batches.ReadNext();)
        {
            for (var i = 0; i < batches.Keys.Length; i++)
            {
                sink.OnDetections(batches.Keys[i], batches.Values[i]);
            }
        }
    }

    private static void ReadFailures(MapBatches<EdgeFailureKey, EdgeFailures> batches, IEdgeSink sink, EdgeShares? shares)
    {
        for (batches.Restart(); batches.ReadNext();)
        {
            for (var i = 0; i < batches.Keys.Length; i++)
            {
                shares?.Count(batches.Keys[i]);
                sink.OnFailures(batches.Keys[i], batches.Values[i]);
            }
        }
    }
}
