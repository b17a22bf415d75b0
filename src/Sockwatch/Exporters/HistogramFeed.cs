using System.Collections.Immutable;
using Prometheus;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters;

/// <summary>
/// Brings a library's histogram up to a running total kept elsewhere. The libraries only take observations, so each bucket's
/// growth is observed at one value inside the bucket, and the values are chosen so that their sum grows by what the true sum
/// grew. The kernel's sum and buckets are not read at one instant; what cannot be placed now is made up for next time.
/// </summary>
/// <param name="observe">Observes a value so many times.</param>
internal sealed class HistogramFeed(Action<double, long> observe, ImmutableArray<double> bounds)
{
    // A value on a bucket's lower bound would belong to the bucket below.
    private const double JustAbove = 1e-9;

    private Latency _fed;
    private double _fedSum;

    public HistogramFeed(Histogram.Child histogram, ImmutableArray<double> bounds)
        : this(histogram.Observe, bounds)
    {
    }

    /// <summary>Goes on from a total that somebody else has shown.</summary>
    public void Skip(in Latency total)
    {
        _fed = total;
        _fedSum = total.SumNs / 1e9;
    }

    public void Feed(in Latency total)
    {
        Span<long> growth = stackalloc long[LatencyBuckets.Length];
        var lowest = 0.0;
        var highest = 0.0;
        for (var i = 0; i < growth.Length; i++)
        {
            growth[i] = Math.Max(0, unchecked((long)(total.Buckets[i] - _fed.Buckets[i])));
            if (i < bounds.Length)
            {
                lowest += growth[i] * Lower(i);
                highest += growth[i] * bounds[i];
            }
        }

        var sum = (total.SumNs / 1e9) - _fedSum;
        var (position, beyond) = Place(sum, lowest, highest, growth[^1]);
        for (var i = 0; i < growth.Length; i++)
        {
            if (growth[i] > 0)
            {
                var value = i < bounds.Length
                    ? Math.Min(bounds[i], Lower(i) + (position * (bounds[i] - Lower(i))))
                    : beyond;
                observe(value, growth[i]);
                _fedSum += value * growth[i];
            }
        }

        _fed = total;
    }

    private double Lower(int bucket) => bucket == 0 ? 0 : bounds[bucket - 1];

    /// <summary>Where in every bounded bucket to observe, from 0 (its lower bound) to 1, and the value for the unbounded one.</summary>
    private (double Position, double Beyond) Place(double sum, double lowest, double highest, long beyondCount)
    {
        var leastBeyond = bounds[^1] * (1 + JustAbove);
        var beyond = leastBeyond;
        var position = 0.5;
        if (beyondCount > 0)
        {
            beyond = (sum - ((lowest + highest) / 2)) / beyondCount;
            if (beyond > leastBeyond)
            {
                return (position, beyond);
            }

            beyond = leastBeyond;
            sum -= beyond * beyondCount;
        }

        if (highest > lowest)
        {
            position = Math.Clamp((sum - lowest) / (highest - lowest), JustAbove, 1);
        }

        return (position, beyond);
    }
}
