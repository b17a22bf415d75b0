using System.Runtime.InteropServices;

namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>struct edge_failures</c> in bpf/socket_events.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct EdgeFailures
{
    public ulong Count;

    /// <summary>Of connects: from the attempt to the failure.</summary>
    public Latency Duration;
}
