using Sockwatch.Kernel;

namespace Sockwatch.Reader;

/// <summary>Takes what one read of the kernel's maps finds. Values are totals since the map was made, not differences.</summary>
internal interface IEdgeSink
{
    void OnEdge(in EdgeKey key, in EdgeTotals totals);

    void OnTimings(in EdgeKey key, in EdgeTimings timings);

    void OnFailures(in EdgeFailureKey key, in EdgeFailures failures);

    void OnDetections(in EdgeDetectionKey key, ulong count);
}
