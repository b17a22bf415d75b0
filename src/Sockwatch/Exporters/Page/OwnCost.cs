namespace Sockwatch.Exporters.Page;

/// <summary>What the agent itself takes of the machine, between one look and the next.</summary>
internal sealed class OwnCost(TimeProvider time)
{
    private static readonly TimeSpan ShortestWindow = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private long _at = time.GetTimestamp();
    private TimeSpan _cpu = Environment.CpuUsage.TotalTime;
    private double? _share;

    /// <summary>Processor time over time: 0.01 is a hundredth of one processor. Null until a second has passed.</summary>
    public double? CpuShare()
    {
        lock (_lock)
        {
            var elapsed = time.GetElapsedTime(_at);
            if (elapsed >= ShortestWindow)
            {
                var cpu = Environment.CpuUsage.TotalTime;
                _share = (cpu - _cpu) / elapsed;
                _cpu = cpu;
                _at = time.GetTimestamp();
            }

            return _share;
        }
    }
}
