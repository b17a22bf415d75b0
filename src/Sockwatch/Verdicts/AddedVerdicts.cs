using Microsoft.Extensions.Options;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Verdicts;

/// <summary>An entry that was added while the agent runs.</summary>
/// <param name="Length">Of the prefix, of 128 bits.</param>
/// <param name="Kind">Null to allow.</param>
internal sealed record AddedVerdict(UInt128 Address, int Length, Detection? Kind, DateTimeOffset AddedAt, DateTimeOffset ExpiresAt)
{
    public string Network => VerdictLine.Format(Address, Length);
}

/// <summary>
/// Entries that are added at run time and last for a while. Bounded: the oldest makes room for the newest. They win over entries of files
/// for the same network, and by longer prefix like any other. Any thread may use it.
/// </summary>
internal sealed class AddedVerdicts
{
    private readonly VerdictOptions _options;
    private readonly Detections _detections;
    private readonly KernelLists _kernel;
    private readonly ListStatus _status;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private readonly Dictionary<(UInt128 Address, int Length), Entry> _entries = [];

    // By age, for making room; and by when they end. What was removed or added anew meanwhile is stepped over.
    private readonly LinkedList<Entry> _byAge = [];
    private readonly PriorityQueue<Entry, DateTimeOffset> _byEnd = new();
    private long _evicted;

    public AddedVerdicts(
        IOptions<VerdictOptions> options, Detections detections, KernelLists kernel, ListStatus status, LossLedger losses, TimeProvider time)
    {
        _options = options.Value;
        Room = _options.MaxAdded;
        _detections = detections;
        _kernel = kernel;
        _status = status;
        _time = time;
        losses.Follow(LossLedger.VerdictsStage, LossLedger.AddedFull, () => Interlocked.Read(ref _evicted));
    }

    /// <summary>Entries that the kernel's map is made for.</summary>
    public int Room { get; }

    /// <summary>Entries that there may be; at most <see cref="Room"/>. What is over a lower one goes, the oldest first.</summary>
    public int Limit
    {
        get => _options.MaxAdded;
        set
        {
            lock (_lock)
            {
                _options.MaxAdded = Math.Min(value, Room);
                Expire();
                MakeRoom(_options.MaxAdded);
            }
        }
    }

    /// <summary>Of entries that are added from now on and do not say otherwise.</summary>
    public TimeSpan AllowTtl
    {
        get => _options.AllowTtl;
        set => _options.AllowTtl = value;
    }

    public TimeSpan DetectTtl
    {
        get => _options.DetectTtl;
        set => _options.DetectTtl = value;
    }

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _entries.Count;
            }
        }
    }

    /// <summary>Adds an entry, or replaces the one of the same network.</summary>
    /// <param name="kind">Null to allow.</param>
    /// <param name="ttl">Null for what the configuration says.</param>
    /// <returns>Null when none may be added.</returns>
    public AddedVerdict? Add(UInt128 address, int length, (uint Classification, string Name)? kind, TimeSpan? ttl)
    {
        lock (_lock)
        {
            if (Limit == 0)
            {
                return null;
            }

            Expire();
            _entries.TryGetValue((address, length), out var before);
            if (before is null)
            {
                MakeRoom(Limit - 1);
            }

            var detection = kind is { } detect ? _detections.NumberOf(detect.Classification, System.Text.Encoding.UTF8.GetBytes(detect.Name)) : (ushort)0;
            var now = _time.GetUtcNow();
            var added = new AddedVerdict(
                address, length, _detections.Find(detection), now, now + (ttl ?? (detection == 0 ? _options.AllowTtl : _options.DetectTtl)));
            var entry = new Entry(added, detection);
            _kernel.Add(Prefix(added), Verdict.Of(detection, length));
            if (before is not null)
            {
                // The kernel has the new one in its place already: there is no moment without any.
                Drop(before);
            }

            _entries.Add((address, length), entry);
            entry.Place = _byAge.AddLast(entry);
            _byEnd.Enqueue(entry, added.ExpiresAt);
            Tidy();
            _status.Added = _entries.Count;
            return added;
        }
    }

    /// <returns>False when there is none.</returns>
    public bool Remove(UInt128 address, int length)
    {
        lock (_lock)
        {
            if (!_entries.TryGetValue((address, length), out var entry))
            {
                return false;
            }

            Remove(entry);
            return true;
        }
    }

    /// <returns>How many were removed.</returns>
    public int Clear()
    {
        lock (_lock)
        {
            var count = _entries.Count;
            while (_byAge.First is { } first)
            {
                Remove(first.Value);
            }

            _byEnd.Clear();
            return count;
        }
    }

    /// <summary>The newest last.</summary>
    public IReadOnlyList<AddedVerdict> List()
    {
        lock (_lock)
        {
            Expire();
            return [.. _byAge.Select(entry => entry.Added)];
        }
    }

    /// <summary>Removes what has lasted long enough.</summary>
    public void Expire()
    {
        lock (_lock)
        {
            var now = _time.GetUtcNow();
            while (_byEnd.TryPeek(out var entry, out var end) && (end <= now || entry.Place is null))
            {
                _byEnd.Dequeue();
                if (entry.Place is not null)
                {
                    Remove(entry);
                }
            }
        }
    }

    /// <summary>Puts all of them into the kernel's map, which is empty.</summary>
    public void Install()
    {
        lock (_lock)
        {
            foreach (var entry in _byAge)
            {
                _kernel.Add(Prefix(entry.Added), Verdict.Of(entry.Detection, entry.Added.Length));
            }
        }
    }

    /// <summary>Whether some entry has the detection; by number.</summary>
    public void Mark(bool[] listed)
    {
        lock (_lock)
        {
            foreach (var entry in _byAge)
            {
                listed[entry.Detection] = true;
            }
        }
    }

    private void MakeRoom(int most)
    {
        while (_entries.Count > most)
        {
            Remove(_byAge.First!.Value);
            _evicted++;
        }
    }

    private void Remove(Entry entry)
    {
        _kernel.Remove(Prefix(entry.Added));
        Drop(entry);
    }

    private void Drop(Entry entry)
    {
        _entries.Remove((entry.Added.Address, entry.Added.Length));
        _byAge.Remove(entry.Place!);
        entry.Place = null;
        _status.Added = _entries.Count;
    }

    // Entries that are gone leave their place in the queue; more of them than of the others are not worth their memory.
    private void Tidy()
    {
        if (_byEnd.Count > 64 + (2 * _entries.Count))
        {
            _byEnd.Clear();
            foreach (var entry in _byAge)
            {
                _byEnd.Enqueue(entry, entry.Added.ExpiresAt);
            }
        }
    }

    private static NetworkPrefix Prefix(AddedVerdict added)
    {
        Span<byte> octets = stackalloc byte[Address16.Length];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(octets, (ulong)(added.Address >> 64));
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(octets[8..], (ulong)added.Address);
        return new NetworkPrefix { Length = (uint)added.Length, Address = new Address16(octets) };
    }

    private sealed class Entry(AddedVerdict added, ushort detection)
    {
        public AddedVerdict Added => added;

        public ushort Detection => detection;

        /// <summary>Null once it is removed.</summary>
        public LinkedListNode<Entry>? Place { get; set; }
    }
}
