namespace Sockwatch.Enrichment.Kubernetes;

/// <summary>
/// Who a pod, a service or a node counts as; one object for all pods of a workload. Its name gets better once, when what
/// could not be told from the pod has been looked up.
/// </summary>
internal sealed class Owner(RemotePeer peer, string? lookUp)
{
    private volatile RemotePeer _peer = peer;
    private volatile bool _isSettled = lookUp is null;

    public RemotePeer Peer => _peer;

    /// <summary>Path of the object to ask about; null when there is nothing to ask.</summary>
    public string? LookUp => lookUp;

    /// <summary>The name will not get better.</summary>
    public bool IsSettled => _isSettled;

    /// <summary>As the pods themselves tell it.</summary>
    public Workload FirstName { get; } = peer.Workload;

    internal int Uses { get; set; }

    /// <param name="workload">Null when the first name is all there is.</param>
    public void Settle(Workload? workload)
    {
        if (workload is { } better)
        {
            _peer = _peer with { Workload = better };
        }

        _isSettled = true;
    }
}

/// <summary>Every owner in use, once. Any thread may call it.</summary>
internal sealed class OwnerTable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(string Class, Workload Workload), Owner> _owners = [];

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _owners.Count;
            }
        }
    }

    /// <summary>To be given back by <see cref="Release"/>.</summary>
    public Owner Take(string peerClass, in TopOwner top)
    {
        lock (_lock)
        {
            if (!_owners.TryGetValue((peerClass, top.Workload), out var owner))
            {
                _owners.Add((peerClass, top.Workload), owner = new Owner(new RemotePeer(top.Workload, peerClass), top.LookUp));
            }

            owner.Uses++;
            return owner;
        }
    }

    public void Release(Owner owner)
    {
        lock (_lock)
        {
            if (--owner.Uses == 0)
            {
                _owners.Remove((owner.Peer.Class, owner.FirstName));
            }
        }
    }
}
