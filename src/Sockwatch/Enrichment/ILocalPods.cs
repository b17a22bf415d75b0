using Sockwatch.Aggregation;

namespace Sockwatch.Enrichment;

/// <summary>The pod on this node that a cgroup belongs to.</summary>
/// <param name="Workload">The pod's top owner.</param>
internal sealed record LocalPod(Workload Workload, PodNames Names);

/// <summary>
/// The pods of this node by their containers, those that are gone for as long as their names are kept. Asked while names are
/// made, under a lock and often: it answers from memory, at once, on any thread.
/// </summary>
internal interface ILocalPods
{
    /// <summary>Null when it is no pod's, or the pod is not known yet: <paramref name="isAwaited"/> tells which.</summary>
    LocalPod? Find(CgroupName cgroup, out bool isAwaited);
}
