namespace Sockwatch.Exporters;

/// <summary>
/// When exporters have to be done with their last words. They stop one after another, since the kernel is still read for some
/// and no longer for others; so one that waits for a peer that hangs leaves the later ones their share, and what one does not
/// need, the next one has. In all it is well within the 5 s that the agent has to end.
/// </summary>
internal sealed class StopDeadline(TimeProvider? time = null)
{
    /// <summary>What the stages after the push of metrics need: the listener, records over OTLP, the flow log.</summary>
    public static readonly TimeSpan AfterMetrics = TimeSpan.FromSeconds(1.9);

    /// <summary>What the flow log needs after the push of records.</summary>
    public static readonly TimeSpan AfterRecords = TimeSpan.FromSeconds(0.5);

    private static readonly TimeSpan InAll = TimeSpan.FromSeconds(3.5);
    private static readonly TimeSpan Least = TimeSpan.FromMilliseconds(100);

    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private readonly Lock _lock = new();
    private long? _beganAt;

    /// <summary>How long a stage may take, from now on. The first to ask starts the clock.</summary>
    /// <param name="others">What it is to leave to those that come after it.</param>
    public TimeSpan Patience(TimeSpan others = default)
    {
        lock (_lock)
        {
            var left = InAll - _time.GetElapsedTime(_beganAt ??= _time.GetTimestamp()) - others;
            return left > Least ? left : Least;
        }
    }
}
