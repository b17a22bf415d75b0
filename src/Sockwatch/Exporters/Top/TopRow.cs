namespace Sockwatch.Exporters.Top;

internal enum TopOrder
{
    Bytes,
    Sent,
    Received,
    Open,
    Connections,
    Failures,
}

/// <summary>One series, and how fast it moved between two reports.</summary>
/// <param name="Workload">With its namespace, if it has one.</param>
/// <param name="Peer">Its name, or at least its class.</param>
internal sealed record TopRow(
    string Executable,
    string Workload,
    string Role,
    string Peer,
    string Port,
    string Transport,
    double SentPerSecond,
    double ReceivedPerSecond,
    long Open,
    double ConnectionsPerSecond,
    double FailuresPerSecond)
{
    public double Key(TopOrder order) => order switch
    {
        TopOrder.Sent => SentPerSecond,
        TopOrder.Received => ReceivedPerSecond,
        TopOrder.Open => Open,
        TopOrder.Connections => ConnectionsPerSecond,
        TopOrder.Failures => FailuresPerSecond,
        _ => SentPerSecond + ReceivedPerSecond,
    };
}
