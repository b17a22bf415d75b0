namespace Sockwatch.Enrichment.Kubernetes;

/// <summary>
/// What was asked for and is not known yet, and since when: news of it can be a moment behind its first packet. What did not
/// come in that time is not waited for again. Not thread-safe.
/// </summary>
internal sealed class FirstAsked<TKey>(TimeSpan wait, TimeProvider time)
    where TKey : notnull
{
    private const int Limit = 8192;

    private volatile bool _isOver;

    private readonly BoundedCache<TKey, long> _since = new(Limit);

    /// <summary>The agent ends: what is not known now is not waited for. Any thread may call it.</summary>
    public void StopWaiting() => _isOver = true;

    /// <summary>It came: when it is asked for after it went, that is for the first time.</summary>
    public void Came(TKey key) => _since.Remove(key);

    public bool IsStillAwaited(TKey key)
    {
        if (_isOver || wait == TimeSpan.Zero)
        {
            return false;
        }

        if (_since.TryGet(key, out var since))
        {
            return time.GetElapsedTime(since) < wait;
        }

        _since.Add(key, time.GetTimestamp());
        return true;
    }
}
