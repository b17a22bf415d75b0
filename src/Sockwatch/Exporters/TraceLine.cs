using System.Buffers;
using System.Globalization;
using System.Net;
using System.Text;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;
using Sockwatch.Payload;

namespace Sockwatch.Exporters;

/// <summary>The lines of <c>sockwatch trace</c>: one operation each, in words and values. A field without a value is left out.</summary>
internal sealed class TraceLine(IFlowNaming naming, BootClock clock) : IFlowLineFormat
{
    // Reused: the writer's thread is the only caller.
    private readonly StringBuilder _line = new(512);

    public bool HasLine(in FlowRecord record) => Operation(in record) is not null;

    public bool TryWrite(in FlowRecord record, IBufferWriter<byte> lines)
    {
        if (Operation(in record) is not { } operation)
        {
            return false;
        }

        Begin(in record, operation, lines);
        if (record.Kind == RecordKind.FlowFailed)
        {
            _line.Append(" error ").Append(ErrorType.Name(record.Error));
        }

        if (record.Kind == RecordKind.FlowDetect)
        {
            var detection = naming.Detection(record.Detection) ?? Verdicts.Detections.Unknown;
            _line.Append(CultureInfo.InvariantCulture, $" remote_classification {detection.Classification}")
                .Append(" detection_name ").Append(PrintableText.Word(detection.Name));
        }

        End(lines);
        return true;
    }

    public bool TryWrite(in FlowRecord record, QueuedPayload payload, IBufferWriter<byte> lines)
    {
        Begin(in record, payload.Direction == NetworkDirection.Transmit ? "SEND" : "RECV", lines);
        _line.Append(" payload [").Append(PayloadText.Of(payload.Bytes));
        _line.Append(CultureInfo.InvariantCulture, $"] payload_seqnum {payload.Sequence}");
        End(lines);
        return true;
    }

    private void Begin(in FlowRecord record, string operation, IBufferWriter<byte> lines)
    {
        Span<byte> time = stackalloc byte[FlowLogTime.MicrosecondsLength];
        FlowLogTime.FormatMicroseconds(clock.ToUnixNs(record.AtNs), time);
        lines.Write(time);

        var edge = record.Edge;
        _line.Clear().Append(' ').Append(operation);
        if (record.Pid != 0)
        {
            _line.Append(CultureInfo.InvariantCulture, $" pid {record.Pid}");
        }

        if (record.Attribution != FlowAttribution.None)
        {
            _line.Append(CultureInfo.InvariantCulture, $" uid {record.Uid}");
        }

        if (naming.ExecutablePath(edge.ExecutableId) is { Length: > 0 } path)
        {
            _line.Append(" filename ").Append(PrintableText.Word(path));
        }

        // A connect that failed before its first packet never had a port, nor an address that means anything.
        if (record.LocalPort != 0)
        {
            _line.Append(" local_addr ").Append(Endpoint(record.LocalAddress, record.LocalPort, edge.NetworkType));
        }

        if (!edge.PeerAddress.IsZero && !IsUdpRelease(in record))
        {
            _line.Append(" remote_addr ").Append(Endpoint(edge.PeerAddress, record.RemotePort, edge.NetworkType));
        }

        _line.Append(CultureInfo.InvariantCulture, $" proto {edge.Transport} sock_id {record.SocketCookie}");
    }

    private void End(IBufferWriter<byte> lines)
    {
        _line.Append('\n');
        foreach (var chunk in _line.GetChunks())
        {
            Encoding.UTF8.GetBytes(chunk.Span, lines);
        }
    }

    /// <summary>address:port, or [address]:port for IPv6. An unknown address is the unspecified one.</summary>
    public static string Endpoint(Address16 address, ushort port, byte networkType)
    {
        var shown = address.IsZero && networkType != 6 ? IPAddress.Any : address.ToIPAddress();
        return shown.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6
            ? string.Create(CultureInfo.InvariantCulture, $"[{shown}]:{port}")
            : string.Create(CultureInfo.InvariantCulture, $"{shown}:{port}");
    }

    private static string? Operation(in FlowRecord record) => record.Kind switch
    {
        // A UDP socket's conversations show as changes of its peer, and it is released once.
        RecordKind.FlowStart when record.Edge.Transport != TransportProtocol.Tcp => null,
        RecordKind.FlowStart => record.Operation == SocketOperation.Accept || record.Edge.Role == NetworkRole.Server ? "ACCEPT" : "CONNECT",
        RecordKind.FlowFailed => "CONNECT",
        RecordKind.FlowDetect => "DETECT",
        RecordKind.FlowEnd when record.Edge.Transport == TransportProtocol.Tcp || IsUdpRelease(in record) => "RELEASE",
        RecordKind.PeerChanged when record.Operation == SocketOperation.Send => "SEND",
        RecordKind.PeerChanged when record.Operation == SocketOperation.Recv => "RECV",
        _ => null,
    };

    private static bool IsUdpRelease(in FlowRecord record) =>
        record is { Kind: RecordKind.FlowEnd, Operation: SocketOperation.Release } && record.Edge.Transport != TransportProtocol.Tcp;
}
