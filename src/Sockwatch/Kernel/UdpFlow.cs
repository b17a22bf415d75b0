using System.Runtime.InteropServices;

namespace Sockwatch.Kernel;

/// <summary>
/// Mirrors <c>struct udp_flow</c> in bpf/socket_events.h: a UDP socket's conversation with a peer that is not its first one.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct UdpFlow
{
    public ulong StartedAtNs { get; init; }

    public ulong LastUsedNs { get; init; }

    public ulong BytesSent { get; init; }

    public ulong BytesReceived { get; init; }

    public ulong Sends { get; init; }

    public ulong Receives { get; init; }

    public EdgeKey Edge { get; init; }

    public ulong ProcessStartedAtNs { get; init; }

    public uint Pid { get; init; }

    public uint Uid { get; init; }

    public uint ParentPid { get; init; }

    public ushort LocalPort { get; init; }

    /// <summary>Not 0 when a filter (1) or a limit of the process (2) keeps this conversation out of the flow log.</summary>
    public byte Ignored { get; init; }

    public FlowAttribution Attribution { get; init; }

    public Address16 LocalAddress { get; init; }
}
