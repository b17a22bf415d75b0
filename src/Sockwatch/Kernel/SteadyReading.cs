namespace Sockwatch.Kernel;

/// <summary>
/// While a task reads or writes a map through bpf(2), the kernel runs no kprobe and no plain tracepoint program on its processor. On a
/// preemptible kernel such a task may be put aside in the middle, and every other task's operations there go unseen until it is
/// back. So our reading threads are put before all ordinary ones for as long as they read.
/// </summary>
internal sealed class SteadyReading(bool isNeeded)
{
    private const int Ordinary = 0;               // SCHED_OTHER
    private const int FirstInFirstOut = 1;        // SCHED_FIFO
    private const int ResetOnFork = 0x40000000;   // SCHED_RESET_ON_FORK

    [ThreadStatic]
    private static int s_depth;

    private volatile bool _isPermitted = true;

    /// <summary>Whether the kernel let us; it takes CAP_SYS_NICE. Without, what goes unseen is counted as program_recursion.</summary>
    public bool IsPermitted => _isPermitted;

    /// <summary>Until disposed, on the same thread. Readings may be nested.</summary>
    public Scope Begin()
    {
        if (!isNeeded || !_isPermitted)
        {
            return default;
        }

        if (s_depth == 0)
        {
            const int Lowest = 1;
            if (LibC.sched_setscheduler(0, FirstInFirstOut | ResetOnFork, Lowest) != 0)
            {
                _isPermitted = false;
                return default;
            }
        }

        s_depth++;
        return new Scope(true);
    }

    public readonly struct Scope(bool isHeld) : IDisposable
    {
        public void Dispose()
        {
            if (isHeld && --s_depth == 0)
            {
                _ = LibC.sched_setscheduler(0, Ordinary, 0);
            }
        }
    }
}
