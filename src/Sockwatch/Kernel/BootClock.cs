namespace Sockwatch.Kernel;

/// <summary>
/// Turns the kernel's CLOCK_BOOTTIME into wall-clock time. The difference of the two is read again every second, because
/// the wall clock can be set.
/// </summary>
internal class BootClock
{
    private const long RefreshMilliseconds = 1_000;

    // Below this, a new difference is noise of the two readings; taking it would move the start of a living flow.
    private const long NoiseNs = 50_000;

    private long _offsetNs;
    private long _readAt = long.MinValue;

    /// <summary>CLOCK_BOOTTIME, as the kernel's programs read it.</summary>
    public static ulong NowNs()
    {
        _ = LibC.clock_gettime(LibC.ClockBoottime, out var now);
        return (ulong)now.TotalNanoseconds;
    }

    /// <summary>Nanoseconds since 1970, UTC. May be called from any thread.</summary>
    public virtual long ToUnixNs(ulong bootNs)
    {
        var now = Environment.TickCount64;
        var readAt = Volatile.Read(ref _readAt);
        if (readAt == long.MinValue || now - readAt >= RefreshMilliseconds)
        {
            Refresh();
            Volatile.Write(ref _readAt, now);
        }

        return unchecked((long)bootNs + Volatile.Read(ref _offsetNs));
    }

    private void Refresh()
    {
        var offset = Volatile.Read(ref _offsetNs);
        var read = ReadOffset();
        if (Math.Abs(read - offset) > NoiseNs)
        {
            Volatile.Write(ref _offsetNs, read);
        }
    }

    // Of a few tries, the one that was interrupted least.
    private static long ReadOffset()
    {
        var best = 0L;
        var narrowest = long.MaxValue;
        for (var i = 0; i < 5; i++)
        {
            _ = LibC.clock_gettime(LibC.ClockBoottime, out var before);
            _ = LibC.clock_gettime(LibC.ClockRealtime, out var wall);
            _ = LibC.clock_gettime(LibC.ClockBoottime, out var after);
            var width = after.TotalNanoseconds - before.TotalNanoseconds;
            if (width < narrowest)
            {
                narrowest = width;
                best = wall.TotalNanoseconds - before.TotalNanoseconds - (width / 2);
            }
        }

        return best;
    }
}
