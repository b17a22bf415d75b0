using System.Runtime.InteropServices;

namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>struct edge_timings</c> in bpf/socket_events.h. TCP edges only.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct EdgeTimings
{
    /// <summary>Successful connects.</summary>
    public Latency Connect;

    /// <summary>From established to released, under <see cref="LatencyBounds.Lifetime"/>.</summary>
    public Latency Connection;

    /// <summary>Smoothed; one sample a socket and flush.</summary>
    public Latency Rtt;
}
