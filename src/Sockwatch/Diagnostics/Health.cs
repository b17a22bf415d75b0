namespace Sockwatch.Diagnostics;

/// <summary>
/// What /livez and /readyz say. Readiness is a list of conditions, each with the reason it is missing; liveness a list of
/// heartbeats, each with the silence after which a restart is the only help. Any thread may call it.
/// </summary>
internal sealed class Health(TimeProvider time)
{
    public const string Hooks = "hooks";
    public const string FirstDrain = "first drain";

    private readonly Lock _lock = new();
    private readonly Dictionary<string, long> _deadlines = [];
    private readonly SortedDictionary<string, string> _missing = new(StringComparer.Ordinal)
    {
        [Hooks] = "not attached yet",
        [FirstDrain] = "not done yet",
    };

    public bool IsReady => Missing().Count == 0;

    public void Met(string condition)
    {
        lock (_lock)
        {
            _missing.Remove(condition);
        }
    }

    /// <summary>The reason is shown to people; one line.</summary>
    public void NotMet(string condition, string reason)
    {
        lock (_lock)
        {
            _missing[condition] = PrintableText.Of(reason);
        }
    }

    /// <summary>Says that something is alive, and promises to say so again within <paramref name="silence"/>.</summary>
    public void Beat(string heart, TimeSpan silence)
    {
        lock (_lock)
        {
            _deadlines[heart] = time.GetTimestamp() + (long)(silence.TotalSeconds * time.TimestampFrequency);
        }
    }

    /// <summary>What readiness lacks, one line each; empty when ready.</summary>
    public IReadOnlyList<string> Missing()
    {
        lock (_lock)
        {
            return [.. _missing.Select(condition => $"{condition.Key}: {condition.Value}")];
        }
    }

    /// <summary>What has been silent for too long, one line each; empty when alive.</summary>
    public IReadOnlyList<string> Silent()
    {
        lock (_lock)
        {
            var now = time.GetTimestamp();
            return [.. _deadlines.Where(heart => now > heart.Value).Select(heart => $"{heart.Key}: no sign of life")];
        }
    }
}
