namespace Sockwatch.Diagnostics;

/// <summary>How many clients or requests the control socket turned away for one reason.</summary>
internal sealed record ControlRefusal(string Reason, long Count);

/// <summary>What was turned away at the control socket. All reasons are there from the start, at 0.</summary>
internal sealed class ControlRefusals
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, long> _counts = new(StringComparer.Ordinal);

    public void Announce(string reason)
    {
        lock (_lock)
        {
            _counts.TryAdd(reason, 0);
        }
    }

    /// <returns>How many it has been now.</returns>
    public long Count(string reason)
    {
        lock (_lock)
        {
            return _counts[reason] = _counts.GetValueOrDefault(reason) + 1;
        }
    }

    public IReadOnlyList<ControlRefusal> Read()
    {
        lock (_lock)
        {
            return [.. _counts.Select(entry => new ControlRefusal(entry.Key, entry.Value))];
        }
    }
}
