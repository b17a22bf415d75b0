namespace Sockwatch.Kernel;

/// <summary>Mirrors bpf/latency.h: upper bounds of the histogram buckets, in nanoseconds, inclusive.</summary>
internal static class LatencyBounds
{
    private const ulong Microseconds = 1_000;
    private const ulong Milliseconds = 1_000 * Microseconds;
    private const ulong Seconds = 1_000 * Milliseconds;

    /// <summary>Handshakes and round trips.</summary>
    public static ReadOnlySpan<ulong> Latency =>
    [
        50 * Microseconds, 100 * Microseconds, 250 * Microseconds, 500 * Microseconds,
        1 * Milliseconds, 2500 * Microseconds, 5 * Milliseconds, 10 * Milliseconds,
        25 * Milliseconds, 50 * Milliseconds, 100 * Milliseconds, 250 * Milliseconds,
        500 * Milliseconds, 1 * Seconds, 5 * Seconds, 30 * Seconds,
    ];

    /// <summary>How long connections live.</summary>
    public static ReadOnlySpan<ulong> Lifetime =>
    [
        1 * Milliseconds, 5 * Milliseconds, 10 * Milliseconds, 50 * Milliseconds,
        100 * Milliseconds, 500 * Milliseconds, 1 * Seconds, 5 * Seconds,
        10 * Seconds, 30 * Seconds, 60 * Seconds, 300 * Seconds,
        900 * Seconds, 3600 * Seconds, 21600 * Seconds, 86400 * Seconds,
    ];
}
