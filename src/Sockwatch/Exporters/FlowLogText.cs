using System.Buffers;
using System.Globalization;
using System.Text;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters;

/// <summary>
/// Flow records as aligned lines for people:
/// <c>10:15:02.123 connect curl[15455]              → 93.184.216.34:443            tcp  12.3 ms</c>. Updates are left out.
/// </summary>
internal sealed class FlowLogText(IFlowNaming naming, BootClock clock, TimeZoneInfo timeZone) : IFlowLineFormat
{
    private const int NameLength = 64;

    public bool HasLine(in FlowRecord record) => Verb(in record) is not null;

    public bool TryWrite(in FlowRecord record, IBufferWriter<byte> lines)
    {
        if (Verb(in record) is not { } verb)
        {
            return false;
        }

        var time = TimeZoneInfo.ConvertTimeFromUtc(FlowLogTime.DateTime(clock.ToUnixNs(record.AtNs) / 100), timeZone);
        var edge = record.Edge;
        var names = naming.Name(in record);
        var arrow = edge.Role == NetworkRole.Server ? '←' : '→';
        var line = string.Create(
            CultureInfo.InvariantCulture,
            $"{time:HH:mm:ss.fff} {verb,-7} {Owner(in record, names),-24} {arrow} {Peer(in record, names),-28} {TransportProtocol.Name(edge.Transport)}");
        Encoding.UTF8.GetBytes(line, lines);
        var outcome = record.Kind == RecordKind.FlowDetect ? Found(in record) : Outcome(in record);
        if (outcome.Length > 0)
        {
            Encoding.UTF8.GetBytes("  " + outcome, lines);
        }

        lines.Write("\n"u8);
        return true;
    }

    private string Found(in FlowRecord record)
    {
        var detection = naming.Detection(record.Detection) ?? Verdicts.Detections.Unknown;
        return string.Create(CultureInfo.InvariantCulture, $"{detection.Name} ({detection.Classification})");
    }

    private static string? Verb(in FlowRecord record) => record.Kind switch
    {
        RecordKind.FlowStart when record.Edge.Transport != TransportProtocol.Tcp => "start",
        RecordKind.FlowStart => record.Edge.Role == NetworkRole.Server ? "accept" : "connect",
        RecordKind.FlowFailed => "failed",
        RecordKind.FlowDetect => "detect",
        RecordKind.FlowEnd => "end",
        _ => null,
    };

    private static string Owner(in FlowRecord record, EdgeAttributes names)
    {
        var name = names.ProcessExecutableName.Length > 0 ? PrintableText.Of(names.ProcessExecutableName, NameLength) : "?";
        return record.Pid == 0 ? name : string.Create(CultureInfo.InvariantCulture, $"{name}[{record.Pid}]");
    }

    private static string Peer(in FlowRecord record, EdgeAttributes names)
    {
        var address = record.Edge.PeerAddress;
        var peer = address.IsZero ? "?" : TraceLine.Endpoint(address, record.RemotePort, record.Edge.NetworkType);
        return names.PeerName.Length > 0 ? $"{peer} ({PrintableText.Of(names.PeerName, NameLength)})" : peer;
    }

    private static string Outcome(in FlowRecord record)
    {
        switch (record.Kind)
        {
            case RecordKind.FlowStart:
                return record.ConnectDurationNs != 0 ? ReadableText.Duration(record.ConnectDurationNs) : "";
            case RecordKind.FlowFailed:
                var error = ErrorType.Name(record.Error);
                return record.ConnectDurationNs != 0 ? $"{error} after {ReadableText.Duration(record.ConnectDurationNs)}" : error;
            default:
                var outcome = $"sent {ReadableText.Bytes(record.BytesSent)} received {ReadableText.Bytes(record.BytesReceived)}";
                if (record.StartedAtNs != 0 && record.AtNs >= record.StartedAtNs)
                {
                    outcome += $" {ReadableText.Duration(record.AtNs - record.StartedAtNs)}";
                }

                var reason = record.EndReason == FlowEndReason.Error && record.Error != 0
                    ? ErrorType.Name(record.Error)
                    : FlowLogNames.Name(record.EndReason);
                return reason.Length > 0 ? $"{outcome} {reason}" : outcome;
        }
    }
}
