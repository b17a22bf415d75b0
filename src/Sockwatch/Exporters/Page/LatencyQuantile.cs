using Sockwatch.Kernel;

namespace Sockwatch.Exporters.Page;

/// <summary>Estimates a quantile from a histogram as Prometheus does: evenly spread within a bucket.</summary>
internal static class LatencyQuantile
{
    /// <summary>In nanoseconds. Beyond the last bound it is that bound; 0 without samples.</summary>
    public static double Of(in Latency latency, ReadOnlySpan<ulong> boundsNs, double share)
    {
        var rank = latency.Count * share;
        var below = 0.0;
        for (var i = 0; i < boundsNs.Length; i++)
        {
            var inside = (double)latency.Buckets[i];
            if (inside > 0 && below + inside >= rank)
            {
                var lower = i == 0 ? 0 : boundsNs[i - 1];
                return lower + ((boundsNs[i] - lower) * ((rank - below) / inside));
            }

            below += inside;
        }

        return latency.Count == 0 ? 0 : boundsNs[^1];
    }
}
