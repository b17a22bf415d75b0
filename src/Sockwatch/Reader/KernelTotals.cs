using System.Runtime.InteropServices;
using Sockwatch.Bpf;
using Sockwatch.Kernel;

namespace Sockwatch.Reader;

/// <summary>Reads the totals out of the kernel's maps, in batches. Used by one collection at a time.</summary>
internal sealed class KernelTotals : IKernelTotals, IDisposable
{
    private readonly KernelPrograms _programs;
    private readonly ProgramStats _stats;
    private readonly BpfIterator _flush;
    private readonly BpfMap<EdgeKey, EdgeTotals> _edgeMap;
    private readonly BpfMap<EdgeKey, EdgeTimings> _timingMap;
    private readonly BpfMap<ulong, PathText> _executables;
    private readonly BpfMap<ulong, PathText> _cgroups;
    private readonly BpfMap<EdgeFailureKey, EdgeFailures> _failureMap;
    private readonly BpfMap<uint, ulong> _losses;
    private readonly PerCpuArray<ObservedBytes> _observed;
    private readonly ObservedBytes[] _observedPerCpu;
    private readonly MapBatches<EdgeKey, EdgeTotals> _edges;
    private readonly MapBatches<EdgeKey, EdgeTimings> _timings;
    private readonly MapBatches<EdgeFailureKey, EdgeFailures> _failures;
    private readonly MapBatches<EdgeFailureKey, EdgeFailures> _overflowFailures;

    public KernelTotals(KernelPrograms programs, ProgramStats stats)
    {
        _programs = programs;
        _stats = stats;
        var maps = programs.Object;
        _flush = maps.AttachIterator("sw_flush", "socket_states");
        _edgeMap = maps.Map<EdgeKey, EdgeTotals>("edges");
        _timingMap = maps.Map<EdgeKey, EdgeTimings>("edge_timings");
        _failureMap = maps.Map<EdgeFailureKey, EdgeFailures>("edge_failures");
        _executables = maps.Map<ulong, PathText>("executable_paths");
        _cgroups = maps.Map<ulong, PathText>("cgroup_paths");
        _losses = maps.Map<uint, ulong>("lost_records");
        _observed = maps.PerCpuArray<ObservedBytes>("observed");
        _observedPerCpu = new ObservedBytes[_observed.CpuCount];
        _edges = new MapBatches<EdgeKey, EdgeTotals>(_edgeMap);
        _timings = new MapBatches<EdgeKey, EdgeTimings>(_timingMap);
        _failures = new MapBatches<EdgeFailureKey, EdgeFailures>(_failureMap);
        _overflowFailures = new MapBatches<EdgeFailureKey, EdgeFailures>(
            maps.Map<EdgeFailureKey, EdgeFailures>("overflow_failures"));
    }

    public void Flush() => _flush.Run();

    public void ReadEdges(IEdgeSink sink)
    {
        for (_edges.Restart(); _edges.ReadNext();)
        {
            for (var i = 0; i < _edges.Keys.Length; i++)
            {
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

        ReadFailures(_failures, sink);
        ReadFailures(_overflowFailures, sink);
    }

    public ObservedBytes ReadObserved()
    {
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
        for (var reason = 0; reason < byReason.Length; reason++)
        {
            _losses.TryLookup((uint)reason, out byReason[reason]);
        }
    }

    public string? ExecutablePath(ulong id) => _executables.TryLookup(id, out var path) ? path.ToString() : null;

    public string? CgroupPath(ulong id) => _cgroups.TryLookup(id, out var path) ? path.ToString() : null;

    public void RemoveEdges(IReadOnlyCollection<EdgeKey> keys)
    {
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
    }

    public IReadOnlyList<MapOccupancy> Maps() =>
    [
        .. _programs.Object.Maps
            .Where(map => map.Type is BpfMapType.Hash or BpfMapType.LpmTrie)
            .Select(map => new MapOccupancy(map.Name, _programs.Object.CountEntries(map.Name) ?? 0, map.MaxEntries)),
    ];

    public IReadOnlyList<ProgramCost> Programs() =>
        [.. _stats.Read().Select(cost => new ProgramCost(cost.Program, cost.RunTime, cost.Runs, cost.Missed))];

    public void Dispose() => _flush.Dispose();

    private static void ReadFailures(MapBatches<EdgeFailureKey, EdgeFailures> batches, IEdgeSink sink)
    {
        for (batches.Restart(); batches.ReadNext();)
        {
            for (var i = 0; i < batches.Keys.Length; i++)
            {
                sink.OnFailures(batches.Keys[i], batches.Values[i]);
            }
        }
    }
}
