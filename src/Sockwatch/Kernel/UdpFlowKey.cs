using System.Runtime.InteropServices;

namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>struct udp_flow_key</c> in bpf/socket_events.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct UdpFlowKey
{
    public ulong SocketCookie { get; init; }

    public Address16 PeerAddress { get; init; }

    public ushort PeerPort { get; init; }

    public Padding6 Padding { get; init; }
}
