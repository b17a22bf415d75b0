using System.Runtime.InteropServices;
using Sockwatch.Bpf;
using Sockwatch.Kernel;

namespace Sockwatch.Reader;

/// <summary>
/// Keeps the numbers right by which the programs share out the map of edges: they count what they add, and this knows what is removed.
/// Counted anew at every reading, so that no error stays.
/// </summary>
internal sealed class EdgeShares(BpfMap<EdgeOwnerKey, EdgeOwner> owners)
{
    private readonly Dictionary<EdgeOwnerKey, EdgeOwner> _counts = [];

    public void Restart() => _counts.Clear();

    public void Count(in EdgeKey edge)
    {
        // Overflows are not counted against anybody.
        if (edge.Transport != 0)
        {
            CollectionsMarshal.GetValueRefOrAddDefault(_counts, OwnerOf(edge), out _).Edges++;
        }
    }

    public void Count(in EdgeFailureKey failure) =>
        CollectionsMarshal.GetValueRefOrAddDefault(_counts, OwnerOf(failure.Edge), out _).Failures++;

    /// <summary>Takes off what has been removed since, and tells the programs what is left.</summary>
    public void Remove(IReadOnlyCollection<EdgeKey> edges, IReadOnlyCollection<EdgeFailureKey> failures)
    {
        var changed = new HashSet<EdgeOwnerKey>();
        foreach (var edge in edges)
        {
            if (edge.Transport != 0)
            {
                var owner = OwnerOf(edge);
                ref var count = ref CollectionsMarshal.GetValueRefOrAddDefault(_counts, owner, out _);
                count.Edges -= Math.Min(count.Edges, 1);
                changed.Add(owner);
            }
        }

        foreach (var failure in failures)
        {
            var owner = OwnerOf(failure.Edge);
            ref var count = ref CollectionsMarshal.GetValueRefOrAddDefault(_counts, owner, out _);
            count.Failures -= Math.Min(count.Failures, 1);
            changed.Add(owner);
        }

        if (changed.Count == 0)
        {
            return;
        }

        var everybody = default(EdgeOwner);
        var containers = new Dictionary<ulong, EdgeOwner>();
        foreach (var (owner, count) in _counts)
        {
            Add(ref everybody, count);
            Add(ref CollectionsMarshal.GetValueRefOrAddDefault(containers, owner.CgroupId, out _), count);
        }

        foreach (var owner in changed)
        {
            if (owner.ExecutableId != 0)
            {
                Write(owner, _counts[owner]);
            }
        }

        foreach (var cgroup in changed.Select(owner => owner.CgroupId).Distinct().Where(cgroup => cgroup != 0))
        {
            Write(new EdgeOwnerKey { CgroupId = cgroup }, containers[cgroup]);
        }

        owners.Update(EdgeOwnerKey.Everybody, everybody);
    }

    private void Write(in EdgeOwnerKey owner, in EdgeOwner count)
    {
        if (count is { Edges: 0, Failures: 0 })
        {
            owners.Delete(owner);
        }
        else if (owners.TryLookup(owner, out _))
        {
            owners.Update(owner, count);
        }
    }

    private static EdgeOwnerKey OwnerOf(in EdgeKey edge) => new() { CgroupId = edge.CgroupId, ExecutableId = edge.Executable };

    private static void Add(ref EdgeOwner sum, in EdgeOwner count)
    {
        sum.Edges += count.Edges;
        sum.Failures += count.Failures;
    }
}
