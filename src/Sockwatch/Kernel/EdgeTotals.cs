using System.Runtime.InteropServices;

namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>struct edge_totals</c> in bpf/socket_events.h. The kernel only ever adds to it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct EdgeTotals
{
    public ulong BytesSent { get; set; }

    public ulong BytesReceived { get; set; }

    public ulong Sends { get; set; }

    public ulong Receives { get; set; }

    /// <summary>The ones that succeeded.</summary>
    public ulong Connects { get; set; }

    public ulong Accepts { get; set; }

    public ulong Releases { get; set; }

    public ulong Opened { get; set; }

    public ulong Closed { get; set; }

    public ulong Retransmits { get; set; }

    public ulong ResetsSent { get; set; }

    public ulong ResetsReceived { get; set; }

    public ulong ListenOverflows { get; set; }

    // Two hooks on two CPUs can be seen in either order, so a close may show up before its open.
    public readonly long Open => Math.Max(0, (long)(Opened - Closed));

    // Wraps by design: a difference that is negative for a moment is carried until it is repaid.
    public static EdgeTotals operator +(in EdgeTotals left, in EdgeTotals right) => new()
    {
        BytesSent = unchecked(left.BytesSent + right.BytesSent),
        BytesReceived = unchecked(left.BytesReceived + right.BytesReceived),
        Sends = unchecked(left.Sends + right.Sends),
        Receives = unchecked(left.Receives + right.Receives),
        Connects = unchecked(left.Connects + right.Connects),
        Accepts = unchecked(left.Accepts + right.Accepts),
        Releases = unchecked(left.Releases + right.Releases),
        Opened = unchecked(left.Opened + right.Opened),
        Closed = unchecked(left.Closed + right.Closed),
        Retransmits = unchecked(left.Retransmits + right.Retransmits),
        ResetsSent = unchecked(left.ResetsSent + right.ResetsSent),
        ResetsReceived = unchecked(left.ResetsReceived + right.ResetsReceived),
        ListenOverflows = unchecked(left.ListenOverflows + right.ListenOverflows),
    };

    public static EdgeTotals operator -(in EdgeTotals left, in EdgeTotals right) => new()
    {
        BytesSent = unchecked(left.BytesSent - right.BytesSent),
        BytesReceived = unchecked(left.BytesReceived - right.BytesReceived),
        Sends = unchecked(left.Sends - right.Sends),
        Receives = unchecked(left.Receives - right.Receives),
        Connects = unchecked(left.Connects - right.Connects),
        Accepts = unchecked(left.Accepts - right.Accepts),
        Releases = unchecked(left.Releases - right.Releases),
        Opened = unchecked(left.Opened - right.Opened),
        Closed = unchecked(left.Closed - right.Closed),
        Retransmits = unchecked(left.Retransmits - right.Retransmits),
        ResetsSent = unchecked(left.ResetsSent - right.ResetsSent),
        ResetsReceived = unchecked(left.ResetsReceived - right.ResetsReceived),
        ListenOverflows = unchecked(left.ListenOverflows - right.ListenOverflows),
    };
}
