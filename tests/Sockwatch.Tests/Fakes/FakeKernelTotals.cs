using Sockwatch.Kernel;
using Sockwatch.Reader;

namespace Sockwatch.Tests.Fakes;

/// <summary>The kernel's maps as dictionaries. With a limit on edges, the overflow edge takes the rest, as in the kernel.</summary>
internal sealed class FakeKernelTotals : IKernelTotals
{
    public Dictionary<EdgeKey, EdgeTotals> Edges { get; } = [];

    public Dictionary<EdgeKey, EdgeTimings> Timings { get; } = [];

    public Dictionary<EdgeFailureKey, EdgeFailures> Failures { get; } = [];

    public Dictionary<EdgeDetectionKey, ulong> Detections { get; } = [];

    public Dictionary<ulong, string> Executables { get; } = [];

    public Dictionary<ulong, string> Cgroups { get; } = [];

    public List<EdgeKey> Removed { get; } = [];

    public ulong[] Losses { get; } = new ulong[LossReasons.Count];

    public int MaxEdges { get; init; } = int.MaxValue;

    public int Flushes { get; private set; }

    public int PathLookups { get; private set; }

    public Exception? Broken { get; set; }

    /// <summary>Holds a collection until it is set.</summary>
    public ManualResetEventSlim Gate { get; } = new(initialState: true);

    public void Count(EdgeKey key, EdgeTotals growth)
    {
        if (!Edges.ContainsKey(key) && Edges.Count >= MaxEdges)
        {
            Losses[(int)LossReason.EdgesFull]++;
            key = EdgeKey.Overflow;
        }

        Edges[key] = Edges.GetValueOrDefault(key) + growth;
    }

    public void Flush()
    {
        Flushes++;
        Gate.Wait();
        if (Broken is { } failure)
        {
            throw failure;
        }
    }

    public void ReadEdges(IEdgeSink sink)
    {
        foreach (var (key, totals) in Edges)
        {
            sink.OnEdge(key, totals);
        }

        foreach (var (key, timings) in Timings)
        {
            sink.OnTimings(key, timings);
        }

        foreach (var (key, failures) in Failures)
        {
            sink.OnFailures(key, failures);
        }

        foreach (var (key, count) in Detections)
        {
            sink.OnDetections(key, count);
        }
    }

    public ObservedBytes ReadObserved() => new(
        Edges.Values.Aggregate(0UL, (sum, edge) => sum + edge.BytesSent),
        Edges.Values.Aggregate(0UL, (sum, edge) => sum + edge.BytesReceived));

    public void ReadLosses(Span<ulong> byReason) => Losses.CopyTo(byReason);

    public string? ExecutablePath(ulong id)
    {
        PathLookups++;
        return Executables.GetValueOrDefault(id);
    }

    /// <summary>By their numbers in <see cref="EdgeKey.ExecutableId"/>.</summary>
    public HashSet<ulong> Processes { get; } = [];

    public bool HasProcess(ulong id) => Processes.Contains(id);

    public string? CgroupPath(ulong id) => Cgroups.GetValueOrDefault(id);

    public IReadOnlyList<ulong> CgroupIds() => [.. Cgroups.Keys];

    public void ForgetCgroups(IReadOnlyCollection<ulong> ids)
    {
        foreach (var id in ids)
        {
            Cgroups.Remove(id);
        }
    }

    public ulong[] Attributions { get; } = new ulong[4];

    public void ReadAttributions(Span<ulong> flows) => Attributions.CopyTo(flows);

    public void RemoveEdges(IReadOnlyCollection<EdgeKey> keys)
    {
        foreach (var key in keys)
        {
            Removed.Add(key);
            Edges.Remove(key);
            Timings.Remove(key);
            foreach (var failure in Failures.Keys.Where(failure => failure.Edge == key).ToList())
            {
                Failures.Remove(failure);
            }

            foreach (var detection in Detections.Keys.Where(detection => detection.Edge == key).ToList())
            {
                Detections.Remove(detection);
            }
        }
    }

    public IReadOnlyList<MapOccupancy> Maps() => [new MapOccupancy("edges", Edges.Count, 65_536)];

    public IReadOnlyList<ProgramCost> Programs() => [new ProgramCost("on_send", TimeSpan.FromMilliseconds(1.5), 10)];
}
