namespace Sockwatch.Bpf;

/// <summary>What an update does about a key that is, or is not, there: <c>BPF_ANY</c>, <c>BPF_NOEXIST</c>, <c>BPF_EXIST</c>.</summary>
public enum MapUpdate
{
    Any,
    OnlyNew,
    OnlyExisting,
}

/// <summary>A typed view of a BPF map. The <see cref="BpfObject"/> it came from owns the kernel map.</summary>
public sealed unsafe class BpfMap<TKey, TValue>
    where TKey : unmanaged
    where TValue : unmanaged
{
    private readonly BpfObject _owner;
    private readonly nint _map;
    private readonly int _fd;
    private readonly bool _canTake;

    internal BpfMap(BpfObject owner, nint map)
    {
        _owner = owner;
        _map = map;
        _fd = LibBpf.bpf_map__fd(map);
        Info = BpfMapInfo.Of(map);
        // A struct that drifted from its C twin fails here, at startup, rather than as wrong numbers.
        if (Info.KeySize != sizeof(TKey) || Info.ValueSize != sizeof(TValue))
        {
            throw new InvalidOperationException(
                $"Map {Info.Name} holds {Info.KeySize} B -> {Info.ValueSize} B, not " +
                $"{typeof(TKey).Name} ({sizeof(TKey)} B) -> {typeof(TValue).Name} ({sizeof(TValue)} B).");
        }

        // Its reads would write one value per CPU into room for one.
        if (Info.IsPerCpu)
        {
            throw new InvalidOperationException($"Map {Info.Name} has a value per CPU; use {nameof(PerCpuArray<>)}.");
        }

        _canTake = Info.Type == BpfMapType.Hash || Info.Type == BpfMapType.LruHash;
    }

    public BpfMapInfo Info { get; }

    private int Fd
    {
        get
        {
            ObjectDisposedException.ThrowIf(_owner.IsClosed, _owner);
            return _fd;
        }
    }

    public bool TryLookup(in TKey key, out TValue value)
    {
        fixed (TKey* k = &key)
        fixed (TValue* v = &value)
        {
            *v = default;
            return Found(LibBpf.bpf_map_lookup_elem(Fd, k, v), nameof(LibBpf.bpf_map_lookup_elem));
        }
    }

    public void Update(in TKey key, in TValue value, MapUpdate when = MapUpdate.Any)
    {
        fixed (TKey* k = &key)
        fixed (TValue* v = &value)
        {
            Check(LibBpf.bpf_map_update_elem(Fd, k, v, (ulong)when), nameof(LibBpf.bpf_map_update_elem));
        }
    }

    /// <summary>False, and nothing changed, when the key is already there.</summary>
    public bool TryAdd(in TKey key, in TValue value)
    {
        fixed (TKey* k = &key)
        fixed (TValue* v = &value)
        {
            var result = LibBpf.bpf_map_update_elem(Fd, k, v, (ulong)MapUpdate.OnlyNew);
            return result != -LibC.EEXIST && Check(result, nameof(LibBpf.bpf_map_update_elem)) >= 0;
        }
    }

    /// <summary>False when the key was not there.</summary>
    public bool Delete(in TKey key)
    {
        fixed (TKey* k = &key)
        {
            return Found(LibBpf.bpf_map_delete_elem(Fd, k), nameof(LibBpf.bpf_map_delete_elem));
        }
    }

    /// <summary>Before kernel 5.14 two steps: what programs add between them is lost.</summary>
    public bool TryLookupAndDelete(in TKey key, out TValue value)
    {
        fixed (TKey* k = &key)
        fixed (TValue* v = &value)
        {
            *v = default;
            var result = _canTake ? LibBpf.bpf_map_lookup_and_delete_elem(Fd, k, v) : -LibC.ENOTSUPP;
            return result is -LibC.ENOTSUPP or -LibC.EINVAL
                ? TryLookup(key, out value) && Delete(key)
                : Found(result, nameof(LibBpf.bpf_map_lookup_and_delete_elem));
        }
    }

    /// <summary>
    /// Copies entries from where the cursor stands, as many as fit, and moves it on; <see cref="MapBatches{TKey,TValue}"/>
    /// is the comfortable way. Entries that stay in the map during a pass are seen exactly once.
    /// </summary>
    public int LookupBatch(Span<TKey> keys, Span<TValue> values, ref MapCursor<TKey> cursor)
    {
        var count = (uint)Math.Min(keys.Length, values.Length);
        int result;
        fixed (TKey* k = keys)
        fixed (TValue* v = values)
        fixed (MapCursor<TKey>* position = &cursor)
        {
            result = LibBpf.bpf_map_lookup_batch(
                Fd, cursor.HasStarted ? position : null, position, k, v, &count, null);
        }

        switch (result)
        {
            case -LibC.ENOENT:
                cursor.IsAtEnd = true;
                return (int)count;
            case -LibC.ENOSPC:
                // The kernel takes a hash bucket whole or not at all, and wrote its place to the cursor.
                cursor.HasStarted = true;
                cursor.NeedsMoreRoom = true;
                return 0;
            default:
                Check(result, nameof(LibBpf.bpf_map_lookup_batch));
                cursor.HasStarted = true;
                cursor.NeedsMoreRoom = false;
                return (int)count;
        }
    }

    /// <summary>Returns how many of the keys were there.</summary>
    public int DeleteBatch(ReadOnlySpan<TKey> keys)
    {
        var deleted = 0;
        while (!keys.IsEmpty)
        {
            var count = (uint)keys.Length;
            int result;
            fixed (TKey* k = keys)
            {
                result = LibBpf.bpf_map_delete_batch(Fd, k, &count, null);
            }

            deleted += (int)count;
            if (result != -LibC.ENOENT)
            {
                Check(result, nameof(LibBpf.bpf_map_delete_batch));
                return deleted;
            }

            // The kernel stops at a key that is not there: step over it.
            keys = keys[((int)count + 1)..];
        }

        return deleted;
    }

    /// <summary>The first key.</summary>
    public bool TryFirstKey(out TKey first)
    {
        fixed (TKey* next = &first)
        {
            *next = default;
            return Found(LibBpf.bpf_map_get_next_key(Fd, null, next), nameof(LibBpf.bpf_map_get_next_key));
        }
    }

    /// <summary>The key after another. When that one was deleted meanwhile, a hash starts over.</summary>
    public bool TryNextKey(in TKey key, out TKey following)
    {
        fixed (TKey* k = &key)
        fixed (TKey* next = &following)
        {
            *next = default;
            return Found(LibBpf.bpf_map_get_next_key(Fd, k, next), nameof(LibBpf.bpf_map_get_next_key));
        }
    }

    /// <summary>Entries in use; reads the whole map to know. Null when the entries of such a map cannot be listed.</summary>
    public long? CountEntries()
    {
        ObjectDisposedException.ThrowIf(_owner.IsClosed, _owner);
        return MapEntries.Count(_map);
    }

    private int Check(int result, string call) =>
        result >= 0 ? result : throw new BpfException($"{call}({Info.Name})", -result);

    private bool Found(int result, string call) => result != -LibC.ENOENT && Check(result, call) >= 0;
}

/// <summary>
/// How far a batched read of a map has come. The kernel writes either the last key or, for a hash, a bucket number to
/// its start.
/// </summary>
public struct MapCursor<TKey>
    where TKey : unmanaged
{
#pragma warning disable IDE0044, IDE0051, CS0169 // Written through a pointer; the second field gives short keys room for the number.
    private TKey _position;
    private uint _room;
#pragma warning restore IDE0044, IDE0051, CS0169

    internal bool HasStarted { get; set; }

    public bool IsAtEnd { get; internal set; }

    /// <summary>The next entries exceed the room that was given; ask again with more.</summary>
    public bool NeedsMoreRoom { get; internal set; }
}
