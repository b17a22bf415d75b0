using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Enrichment.Kubernetes;

/// <summary>
/// Who had which address, and when: addresses of pods are given to others within minutes. Bounded, and small: a pod costs some
/// two hundred bytes. Any thread may call it.
/// </summary>
internal sealed class AddressBook : IRemotePeers
{
    /// <summary>Addresses whose owner is gone. Past this, those gone longest are forgotten early.</summary>
    public const int MaxEnded = 65_536;

    // News of an address comes this much after its first packet, at most.
    private static readonly TimeSpan Lateness = TimeSpan.FromSeconds(10);

    // What was there when we began to look is older than its entry here.
    private static readonly TimeSpan Ignorance = TimeSpan.FromMinutes(1);

    private readonly KubernetesOptions _options;
    private readonly OwnerTable _owners;
    private readonly Action<Owner> _lookUp;
    private readonly LossLedger _losses;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private readonly Dictionary<Address16, AddressHolding> _byAddress = [];
    private readonly Queue<AddressHolding> _ended = [];
    private readonly FirstAsked<Address16> _awaited;
    private readonly long _keepMs;
    private readonly int _maxEnded;
    private int _objects;
    private long _evictions;
    private bool _hasPublicPods;

    public AddressBook(
        KubernetesOptions options, OwnerTable owners, Action<Owner> lookUp, LossLedger losses, CacheLedger caches, TimeProvider time, int maxEnded = MaxEnded)
    {
        _options = options;
        _owners = owners;
        _lookUp = lookUp;
        _losses = losses;
        _time = time;
        _maxEnded = maxEnded;
        _keepMs = (long)options.KeepDeleted.TotalMilliseconds;
        _awaited = new FirstAsked<Address16>(options.NameWait, time);
        caches.Follow("addresses", () => Interlocked.Read(ref _evictions));
    }

    public int Addresses
    {
        get
        {
            lock (_lock)
            {
                return _byAddress.Count;
            }
        }
    }

    public RemotePeer? Find(in EdgeKey edge, DateTimeOffset at, out bool isAwaited)
    {
        isAwaited = false;
        lock (_lock)
        {
            if (!_byAddress.TryGetValue(edge.PeerAddress, out var newest) || Best(newest, at.ToUnixTimeMilliseconds()) is not { } holding)
            {
                // Everybody else's addresses are no business of the cluster's, and need not wait for it.
                isAwaited = _options.Scope == KubernetesScope.Cluster
                    && (_hasPublicPods || PeerClass.Of(edge.PeerAddress) == PeerClass.Private)
                    && _awaited.IsStillAwaited(edge.PeerAddress);
                return null;
            }

            _lookUp(holding.Owner);

            // Of an address whose owner has ended, the next one's news may be on its way.
            isAwaited = (!holding.Owner.IsSettled || holding.To < at.ToUnixTimeMilliseconds()) && _awaited.IsStillAwaited(edge.PeerAddress);
            return holding.Owner.Peer;
        }
    }

    /// <summary>The agent ends: what is not known now is not waited for.</summary>
    public void StopWaiting() => _awaited.StopWaiting();

    /// <summary>A part of the book that one watch keeps. Its calls come from one task at a time.</summary>
    public AddressSource Source() => new(this);

    internal AddressHolding? Put(AddressHolding? first, bool isNew, string peerClass, in TopOwner top, ReadOnlySpan<Address16> addresses, AddressRank rank, long from)
    {
        lock (_lock)
        {
            if (IsSame(first, top, addresses))
            {
                return first;
            }

            if (isNew && _objects >= _options.MaxObjects)
            {
                _losses.Add(LossLedger.EnrichmentStage, LossLedger.ObjectsFull);
                return null;
            }

            _objects += isNew ? 1 : 0;
            AddressHolding? next = null;
            foreach (var address in addresses)
            {
                next = Hold(address, peerClass, top, rank, from, next);
            }

            EndAll(first);
            return next;
        }
    }

    internal void Remove(AddressHolding? first)
    {
        lock (_lock)
        {
            _objects--;
            EndAll(first);
        }
    }

    internal long NowMs => _time.GetUtcNow().ToUnixTimeMilliseconds();

    private static bool IsSame(AddressHolding? first, in TopOwner top, ReadOnlySpan<Address16> addresses)
    {
        var same = 0;
        for (var holding = first; holding is not null; holding = holding.NextOfObject)
        {
            if (holding.Owner.FirstName != top.Workload || !addresses.Contains(holding.Address))
            {
                return false;
            }

            same++;
        }

        return same == addresses.Length && same > 0;
    }

    private AddressHolding Hold(in Address16 address, string peerClass, in TopOwner top, AddressRank rank, long from, AddressHolding? next)
    {
        _hasPublicPods |= peerClass == PeerClass.Pod && PeerClass.Of(address) == PeerClass.Public;
        var holding = new AddressHolding(address, _owners.Take(peerClass, top), rank, from)
        {
            NextOfObject = next,
            Older = _byAddress.GetValueOrDefault(address),
        };
        _byAddress[address] = holding;
        _awaited.Came(address);
        return holding;
    }

    private void EndAll(AddressHolding? first)
    {
        for (var holding = first; holding is not null; holding = holding.NextOfObject)
        {
            holding.To = NowMs;
            _ended.Enqueue(holding);
        }

        while (_ended.TryPeek(out var oldest) && (_ended.Count > _maxEnded || NowMs - oldest.To >= _keepMs))
        {
            if (NowMs - oldest.To < _keepMs)
            {
                Interlocked.Increment(ref _evictions);
            }

            Forget(_ended.Dequeue());
        }
    }

    private void Forget(AddressHolding holding)
    {
        var newest = _byAddress[holding.Address];
        if (newest == holding && holding.Older is null)
        {
            _byAddress.Remove(holding.Address);
        }
        else if (newest == holding)
        {
            _byAddress[holding.Address] = holding.Older!;
        }
        else
        {
            while (newest.Older != holding)
            {
                newest = newest.Older!;
            }

            newest.Older = holding.Older;
        }

        _owners.Release(holding.Owner);
    }

    private AddressHolding? Best(AddressHolding newest, long at)
    {
        AddressHolding? had = null;
        AddressHolding? next = null;
        AddressHolding? last = null;
        for (var holding = newest; holding is not null; holding = holding.Older)
        {
            if (holding.From <= at && at <= holding.To)
            {
                had = had is null || holding.Rank < had.Rank || (holding.Rank == had.Rank && holding.From > had.From) ? holding : had;
            }
            else if (holding.From > at)
            {
                next = next is null || holding.From < next.From ? holding : next;
            }
            else if (at - holding.To < _keepMs)
            {
                last = last is null || holding.To > last.To ? holding : last;
            }
        }

        return had
            ?? (IsWithin(next, at, Lateness) ? next : null)
            ?? last
            ?? (IsWithin(next, at, Ignorance) ? next : null);
    }

    private static bool IsWithin(AddressHolding? holding, long at, TimeSpan time) => holding is not null && holding.From - at <= time.TotalMilliseconds;
}

/// <summary>Which owner is meant where several have an address at once.</summary>
internal enum AddressRank : byte
{
    Own,
    Node,

    /// <summary>An address that outsiders reach a service by; it can be a node's.</summary>
    External,
}

/// <summary>That somebody has an address, for a time. Times are milliseconds since 1970.</summary>
internal sealed class AddressHolding(in Address16 address, Owner owner, AddressRank rank, long from)
{
    public readonly Address16 Address = address;

    public Owner Owner => owner;

    public AddressRank Rank => rank;

    public long From => from;

    public long To { get; set; } = long.MaxValue;

    /// <summary>Who had the address before.</summary>
    public AddressHolding? Older { get; set; }

    /// <summary>The object's next address.</summary>
    public AddressHolding? NextOfObject { get; init; }
}
