using Sockwatch.Kernel;

namespace Sockwatch.Exporters;

/// <summary>What a flow has counted since its record before this one.</summary>
internal readonly record struct FlowCounts(ulong BytesSent, ulong BytesReceived, ulong Sends, ulong Receives)
{
    public static FlowCounts NewIn(in FlowRecord record) => new(
        Growth(record.BytesSent, record.ReportedBytesSent),
        Growth(record.BytesReceived, record.ReportedBytesReceived),
        Growth(record.Sends, record.ReportedSends),
        Growth(record.Receives, record.ReportedReceives));

    // Two flushes of one socket can race, so that a total comes out a little older than the last one.
    private static ulong Growth(ulong now, ulong reported) => now > reported ? now - reported : 0;
}
