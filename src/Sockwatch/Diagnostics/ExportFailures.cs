namespace Sockwatch.Diagnostics;

/// <summary>How often an exporter failed, and why.</summary>
internal sealed record ExportFailure(string Exporter, string Reason, long Count);

/// <summary>Failures of exporters. An exporter that fails is counted here and stops nobody else.</summary>
internal sealed class ExportFailures
{
    public const string Prometheus = "prometheus";
    public const string Page = "page";
    public const string FlowLog = "flow_log";
    public const string RenderFailed = "render_failed";
    public const string WriteFailed = "write_failed";
    public const string TimedOut = "timed_out";
    public const string TooMany = "too_many";
    public const string TooLarge = "too_large";
    public const string NoSpace = "no_space";
    public const string BrokenPipe = "broken_pipe";

    private readonly Lock _lock = new();
    private readonly Dictionary<(string Exporter, string Reason), long> _counts = new()
    {
        [(Prometheus, RenderFailed)] = 0,
        [(Prometheus, WriteFailed)] = 0,
        [(Prometheus, TimedOut)] = 0,
        [(Prometheus, TooMany)] = 0,
        [(Prometheus, TooLarge)] = 0,
        [(Page, RenderFailed)] = 0,
    };

    public void Count(string exporter, string reason)
    {
        lock (_lock)
        {
            _counts[(exporter, reason)] = _counts.GetValueOrDefault((exporter, reason)) + 1;
        }
    }

    /// <summary>Makes a reason visible at 0 before it ever happens.</summary>
    public void Announce(string exporter, string reason)
    {
        lock (_lock)
        {
            _counts.TryAdd((exporter, reason), 0);
        }
    }

    public IReadOnlyList<ExportFailure> Read()
    {
        lock (_lock)
        {
            return [.. _counts.Select(entry => new ExportFailure(entry.Key.Exporter, entry.Key.Reason, entry.Value))];
        }
    }
}
