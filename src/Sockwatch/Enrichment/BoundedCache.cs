using System.Diagnostics.CodeAnalysis;

namespace Sockwatch.Enrichment;

/// <summary>
/// Remembers at most so many values, in two generations: when the young one is full the old one is dropped, and whatever was
/// used since then is young again. Nearly as good as least-recently-used, without keeping an order. Not thread-safe.
/// </summary>
internal sealed class BoundedCache<TKey, TValue>(int limit)
    where TKey : notnull
{
    private readonly int _limitOfGeneration = Math.Max(1, limit / 2);
    private Dictionary<TKey, TValue> _young = [];
    private Dictionary<TKey, TValue> _old = [];
    private long _evictions;

    public int Count => _young.Count + _old.Count;

    /// <summary>Values forgotten to make room. May be read by any thread.</summary>
    public long Evictions => Interlocked.Read(ref _evictions);

    public bool TryGet(TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        if (_young.TryGetValue(key, out value))
        {
            return true;
        }

        if (!_old.Remove(key, out value))
        {
            return false;
        }

        Add(key, value);
        return true;
    }

    public void Remove(TKey key)
    {
        _young.Remove(key);
        _old.Remove(key);
    }

    public void Add(TKey key, TValue value)
    {
        if (_young.Count >= _limitOfGeneration && !_young.ContainsKey(key))
        {
            Interlocked.Add(ref _evictions, _old.Count);
            (_young, _old) = (_old, _young);
            _young.Clear();
        }

        _young[key] = value;
    }
}
