using Sockwatch.Kernel;

namespace Sockwatch.Aggregation;

/// <summary>
/// Takes the points of a series: what each face shows of it, and all of it. A metric's own attributes come as text, in the
/// order that the catalogue has them; one that does not apply is empty.
/// </summary>
internal interface ITrafficPoints
{
    void Count(TrafficMetric metric, ulong total, string first, string second);

    void Level(TrafficMetric metric, long now);

    void Time(TrafficMetric metric, in Latency total, string first);
}
