using Sockwatch.Diagnostics;
using Sockwatch.Kernel;
using Sockwatch.Reader;

namespace Sockwatch.Enrichment;

/// <summary>
/// Cgroups by the kernel's number for them. A cgroup that is gone keeps its name here for a while, for what is still to be told
/// of it; in the kernel it makes room for the next one. Bounded: past the limit the dead go first, the longest unused of them before
/// the others. Not thread-safe.
/// </summary>
internal sealed class Cgroups
{
    // A quarter of the kernel's room: with new ones coming in a crowd, waiting for the next regular look would fill it.
    private const int ManyNew = 1024;

    private readonly IKernelTotals _kernel;
    private readonly CgroupPresence _presence;
    private readonly TimeProvider _time;
    private readonly TimeSpan _keep;
    private readonly int _limit;
    private readonly Dictionary<ulong, Known> _known = [];
    private long _evictions;
    private int _new;

    public Cgroups(IKernelTotals kernel, CgroupPresence presence, CacheLedger caches, TimeProvider time, TimeSpan keep, int limit)
    {
        _kernel = kernel;
        _presence = presence;
        _time = time;
        _keep = keep;
        _limit = limit;
        caches.Follow("cgroups", () => Interlocked.Read(ref _evictions));
    }

    public int Count => _known.Count;

    /// <summary>So many came since the last look that it is time for the next one.</summary>
    public bool HasManyNew => _new >= ManyNew;

    // What the kernel does not know yet is not remembered, so that it is found once it is known.
    public CgroupName? Find(ulong id)
    {
        if (id == 0)
        {
            return null;
        }

        if (_known.TryGetValue(id, out var known))
        {
            known.UsedAt = _time.GetTimestamp();
            return known.Name;
        }

        return Learn(id)?.Name;
    }

    /// <summary>It was there, and was found to be removed; false when that is not known.</summary>
    public bool IsGone(ulong id) => _known.TryGetValue(id, out var known) && known.IsGone;

    /// <summary>Finds out who is gone: their names leave the kernel now, and this memory when they have not been used for long.</summary>
    public void Sweep()
    {
        var gone = new List<ulong>();
        foreach (var id in _kernel.CgroupIds())
        {
            var known = _known.GetValueOrDefault(id) ?? Learn(id);
            if (known is not null && _presence.IsThere(id, known.Path) == false)
            {
                known.IsGone = true;
                gone.Add(id);
            }
        }

        if (gone.Count > 0)
        {
            _kernel.ForgetCgroups(gone);
        }

        _new = 0;

        foreach (var (id, known) in _known)
        {
            if (known.IsGone && _time.GetElapsedTime(known.UsedAt) >= _keep)
            {
                _known.Remove(id);
            }
        }
    }

    private Known? Learn(ulong id)
    {
        if (_kernel.CgroupPath(id) is not { Length: > 0 } path)
        {
            return null;
        }

        if (_known.Count >= _limit)
        {
            MakeRoom();
        }

        var known = new Known(CgroupName.Parse(path), path) { UsedAt = _time.GetTimestamp() };
        _known.Add(id, known);
        _new++;
        return known;
    }

    // A tenth at once, so that a crowd of new ones does not look for room each.
    private void MakeRoom()
    {
        var leaving = _known
            .OrderByDescending(one => one.Value.IsGone)
            .ThenBy(one => one.Value.UsedAt)
            .Take(Math.Max(1, _limit / 10))
            .Select(one => one.Key)
            .ToList();
        foreach (var id in leaving)
        {
            _known.Remove(id);
        }

        Interlocked.Add(ref _evictions, leaving.Count);
    }

    private sealed class Known(CgroupName name, string path)
    {
        public CgroupName Name { get; } = name;

        public string Path { get; } = path;

        public long UsedAt { get; set; }

        public bool IsGone { get; set; }
    }
}
