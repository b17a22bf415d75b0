using Sockwatch.Kernel;

namespace Sockwatch.Enrichment;

/// <summary>
/// Who serves which port on this machine, as far as served edges show it. Two containers may serve the same port in network
/// namespaces of their own, which an address does not tell apart; then the client's own cgroup decides, or nobody does: no name
/// is better than a wrong one. Not thread-safe.
/// </summary>
internal sealed class Listeners(TimeProvider time, int limit)
{
    // Served edges are named again once a minute while they have traffic.
    private static readonly TimeSpan RecentlyHeard = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan ForgetAfter = TimeSpan.FromMinutes(15);

    private readonly Dictionary<(ushort Port, byte Transport), List<Listener>> _byPort = [];
    private int _count;

    /// <summary>False when there is no room for one more.</summary>
    public bool Heard(ushort port, byte transport, ulong cgroupId, in Workload workload, string cgroupParent, bool isContainer)
    {
        if (_byPort.TryGetValue((port, transport), out var listeners))
        {
            foreach (var known in listeners)
            {
                if (known.CgroupId == cgroupId && known.Workload == workload)
                {
                    known.HeardAt = time.GetTimestamp();
                    return true;
                }
            }
        }

        if (_count >= limit)
        {
            ForgetSilent();
            if (_count >= limit)
            {
                return false;
            }
        }

        // Looked up again: forgetting may have taken the list away.
        if (!_byPort.TryGetValue((port, transport), out listeners))
        {
            _byPort.Add((port, transport), listeners = []);
        }

        listeners.Add(new Listener(cgroupId, workload, cgroupParent, isContainer, time.GetTimestamp()));
        _count++;
        return true;
    }

    /// <param name="isOwnNetwork">The client may be in a network namespace of its own, where nobody else's ports are.</param>
    public Workload Find(ushort port, byte transport, ulong clientCgroupId, string clientCgroupParent, bool isOwnNetwork)
    {
        if (!_byPort.TryGetValue((port, transport), out var listeners))
        {
            return Workload.Unknown;
        }

        return OnlyOne(listeners, listener => listener.CgroupId == clientCgroupId && !IsSucceeded(listener, listeners))
            ?? OnlyOne(listeners, listener => clientCgroupParent.Length > 1 && listener.CgroupParent == clientCgroupParent && listener.IsContainer)
            ?? (isOwnNetwork ? null : OnlyLately(listeners))
            ?? Workload.Unknown;
    }

    private Workload? OnlyLately(List<Listener> listeners) =>
        OnlyOne(listeners, listener => time.GetElapsedTime(listener.HeardAt) < RecentlyHeard)
        ?? OnlyOne(listeners, listener => time.GetElapsedTime(listener.HeardAt) < ForgetAfter);

    // Silent since another of its cgroup began to serve: a program that ended, and the next one on its port.
    private static bool IsSucceeded(Listener listener, List<Listener> listeners) =>
        listeners.Exists(other => other.CgroupId == listener.CgroupId && other.FirstHeardAt > listener.HeardAt);

    private static Workload? OnlyOne(List<Listener> listeners, Func<Listener, bool> condition)
    {
        Workload? found = null;
        foreach (var listener in listeners)
        {
            if (!condition(listener))
            {
                continue;
            }

            if (found is not null && found != listener.Workload)
            {
                return null;
            }

            found = listener.Workload;
        }

        return found;
    }

    private void ForgetSilent()
    {
        foreach (var (port, listeners) in _byPort)
        {
            _count -= listeners.RemoveAll(listener => time.GetElapsedTime(listener.HeardAt) >= ForgetAfter);
            if (listeners.Count == 0)
            {
                _byPort.Remove(port);
            }
        }
    }

    private sealed class Listener(ulong cgroupId, in Workload workload, string cgroupParent, bool isContainer, long firstHeardAt)
    {
        public ulong CgroupId { get; } = cgroupId;

        public Workload Workload { get; } = workload;

        /// <summary>The pod's cgroup, if this is one container of several.</summary>
        public string CgroupParent { get; } = cgroupParent;

        public bool IsContainer => isContainer;

        public long FirstHeardAt { get; } = firstHeardAt;

        public long HeardAt { get; set; } = firstHeardAt;
    }
}
