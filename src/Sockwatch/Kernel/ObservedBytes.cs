using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Sockwatch.Kernel;

/// <summary>
/// Mirrors <c>struct observed_bytes</c> in bpf/socket_events.h: bytes not attributed to anyone, the check on everything
/// that is.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ObservedBytes
{
    public DirectionBytes Bytes;

    public ObservedBytes(ulong transmitted, ulong received)
    {
        Bytes[(int)NetworkDirection.Transmit] = transmitted;
        Bytes[(int)NetworkDirection.Receive] = received;
    }

    public readonly ulong Transmitted => Bytes[(int)NetworkDirection.Transmit];

    public readonly ulong Received => Bytes[(int)NetworkDirection.Receive];
}

[InlineArray(2)]
internal struct DirectionBytes
{
    private ulong _first;
}
