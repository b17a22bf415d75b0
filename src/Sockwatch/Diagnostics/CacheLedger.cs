namespace Sockwatch.Diagnostics;

/// <summary>How many names a cache has put aside for newer ones. They are looked up again when needed: slower, not lost.</summary>
internal sealed record CacheEvictions(string Cache, long Evictions);

/// <summary>Evictions of every bounded cache.</summary>
internal sealed class CacheLedger
{
    private readonly Lock _lock = new();
    private readonly List<(string Cache, Func<long> Evictions)> _caches = [];

    public void Follow(string cache, Func<long> evictions)
    {
        lock (_lock)
        {
            _caches.Add((cache, evictions));
        }
    }

    public IReadOnlyList<CacheEvictions> Read()
    {
        lock (_lock)
        {
            return [.. _caches.Select(cache => new CacheEvictions(cache.Cache, cache.Evictions()))];
        }
    }
}
