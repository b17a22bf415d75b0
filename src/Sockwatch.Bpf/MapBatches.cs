namespace Sockwatch.Bpf;

/// <summary>
/// Reads a whole map in batches: a system call per few hundred entries instead of two for each. Keeps its buffers
/// between passes, and grows them when a hash bucket asks for it. For one thread at a time.
/// </summary>
public sealed class MapBatches<TKey, TValue>
    where TKey : unmanaged
    where TValue : unmanaged
{
    private readonly BpfMap<TKey, TValue> _map;
    private TKey[] _keys;
    private TValue[] _values;
    private MapCursor<TKey> _cursor;
    private int _count;

    public MapBatches(BpfMap<TKey, TValue> map, int batchSize = 512)
    {
        _map = map;
        _keys = new TKey[batchSize];
        _values = new TValue[batchSize];
    }

    /// <summary>The entries of the current batch; good until the next one is read.</summary>
    public ReadOnlySpan<TKey> Keys => _keys.AsSpan(0, _count);

    public ReadOnlySpan<TValue> Values => _values.AsSpan(0, _count);

    /// <summary>Goes back to the start of the map.</summary>
    public void Restart()
    {
        _cursor = default;
        _count = 0;
    }

    /// <summary>False at the end of the map. A batch may be empty.</summary>
    public bool ReadNext()
    {
        _count = 0;
        if (_cursor.IsAtEnd)
        {
            return false;
        }

        _count = _map.LookupBatch(_keys, _values, ref _cursor);
        while (_cursor.NeedsMoreRoom)
        {
            _keys = new TKey[_keys.Length * 2];
            _values = new TValue[_keys.Length];
            _count = _map.LookupBatch(_keys, _values, ref _cursor);
        }

        return true;
    }
}
