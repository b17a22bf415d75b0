using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>struct latency</c> in bpf/socket_events.h: a histogram whose bounds are <see cref="LatencyBounds"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Latency : IEquatable<Latency>
{
    /// <summary>Sum of all samples, in nanoseconds.</summary>
    public ulong SumNs;

    /// <summary>Samples in each bucket, not cumulative; the last one has no upper bound.</summary>
    public LatencyBuckets Buckets;

    public readonly ulong Count
    {
        get
        {
            var count = 0UL;
            foreach (var bucket in Buckets)
            {
                count += bucket;
            }

            return count;
        }
    }

    public static bool operator ==(in Latency left, in Latency right) =>
        left.SumNs == right.SumNs && ((ReadOnlySpan<ulong>)left.Buckets).SequenceEqual(right.Buckets);

    public static bool operator !=(in Latency left, in Latency right) => !(left == right);

    /// <summary>Adds what <paramref name="now"/> has more than <paramref name="before"/>.</summary>
    public void AddGrowth(in Latency now, in Latency before)
    {
        unchecked
        {
            SumNs += now.SumNs - before.SumNs;
            for (var i = 0; i < LatencyBuckets.Length; i++)
            {
                Buckets[i] += now.Buckets[i] - before.Buckets[i];
            }
        }
    }

    public readonly bool Equals(Latency other) => this == other;

    public override readonly bool Equals(object? obj) => obj is Latency other && Equals(other);

    public override readonly int GetHashCode() => SumNs.GetHashCode();
}

[InlineArray(Length)]
internal struct LatencyBuckets
{
    public const int Length = 17;

    private ulong _first;
}
