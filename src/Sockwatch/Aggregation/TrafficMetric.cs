namespace Sockwatch.Aggregation;

/// <summary>The metrics an edge feeds; an index into the counts of <see cref="SeriesBudget"/>.</summary>
internal enum TrafficMetric
{
    SocketIo,
    SocketOperations,
    ConnectionsOpen,
    ConnectDuration,
    ConnectionDuration,
    TcpRtt,
    TcpRetransmits,
    TcpResets,
    ListenOverflows,
    Detections,
}

internal static class TrafficMetrics
{
    public const int Count = (int)TrafficMetric.Detections + 1;
}
