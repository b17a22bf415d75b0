using System.Runtime.InteropServices;

namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>struct flow_record</c> in bpf/socket_events.h: one thing that happened to a flow.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct FlowRecord
{
    /// <summary>CLOCK_BOOTTIME, as are all times here.</summary>
    public ulong AtNs { get; init; }

    /// <summary>Established, accepted, or the first datagram.</summary>
    public ulong StartedAtNs { get; init; }

    public ulong SocketCookie { get; init; }

    public ulong ProcessStartedAtNs { get; init; }

    /// <summary>Since the flow started, as are the three counts that follow.</summary>
    public ulong BytesSent { get; init; }

    public ulong BytesReceived { get; init; }

    public ulong Sends { get; init; }

    public ulong Receives { get; init; }

    /// <summary>What the flow's record before this one said; the difference is what is new.</summary>
    public ulong ReportedBytesSent { get; init; }

    public ulong ReportedBytesReceived { get; init; }

    public ulong ReportedSends { get; init; }

    public ulong ReportedReceives { get; init; }

    /// <summary>0 when the flow was not connected by this side.</summary>
    public ulong ConnectDurationNs { get; init; }

    public EdgeKey Edge { get; init; }

    /// <summary>The process (tgid), as the host sees it.</summary>
    public uint Pid { get; init; }

    public uint Uid { get; init; }

    public uint ParentPid { get; init; }

    /// <summary>Smoothed; 0 unknown.</summary>
    public uint RttUs { get; init; }

    public uint Retransmits { get; init; }

    public ushort LocalPort { get; init; }

    public ushort RemotePort { get; init; }

    public Address16 LocalAddress { get; init; }

    /// <summary>errno; 0 none. See <see cref="ErrorType"/>.</summary>
    public ushort Error { get; init; }

    public RecordKind Kind { get; init; }

    public FlowEndReason EndReason { get; init; }

    public FlowAttribution Attribution { get; init; }

    /// <summary>The operation that made the record.</summary>
    public SocketOperation Operation { get; init; }

    /// <summary>
    /// Of a <see cref="RecordKind.PeerChanged"/>: the peer is the socket's last one, and this is when that was shown before, for traces that
    /// have begun since. 0 when the peer changed.
    /// </summary>
    public ushort RepeatedSince { get; init; }

    /// <summary>Of a <see cref="RecordKind.FlowDetect"/>: what the lists say of the peer; see Verdicts/Detections.cs.</summary>
    public ushort Detection { get; init; }

    public Padding6 Padding { get; init; }
}
