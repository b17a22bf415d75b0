namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>enum loss_reason</c>: every way to lose something in the kernel.</summary>
internal enum LossReason
{
    /// <summary>A flow record found no room in the ring buffer.</summary>
    RingFull = 0,

    /// <summary>An edge found no room: its counts went to the overflow edge.</summary>
    EdgesFull = 1,

    TimingsFull = 2,
    FailuresFull = 3,

    /// <summary>A UDP conversation has no flow records; its counts are in its edge.</summary>
    UdpFlowsFull = 4,

    /// <summary>A datagram's peer could not be remembered between two hooks.</summary>
    UdpPeersFull = 5,

    /// <summary>No memory for a socket's state: its counts went to the overflow edge.</summary>
    SocketState = 6,

    /// <summary>A process identity was not cached: only slower.</summary>
    ProcessesFull = 7,

    /// <summary>An executable has no name.</summary>
    ExecutablesFull = 8,

    /// <summary>A cgroup has no name.</summary>
    CgroupsFull = 9,

    /// <summary>A listening port was not noted: a connection older than the agent may have the wrong role.</summary>
    PortsFull = 10,
}

internal static class LossReasons
{
    /// <summary>LOSS_REASONS: the length of the kernel's array.</summary>
    public const int Count = 11;

    /// <summary>The value of the <c>reason</c> label.</summary>
    public static string Name(this LossReason reason) => reason switch
    {
        LossReason.RingFull => "ring_full",
        LossReason.EdgesFull => "edges_full",
        LossReason.TimingsFull => "timings_full",
        LossReason.FailuresFull => "failures_full",
        LossReason.UdpFlowsFull => "udp_flows_full",
        LossReason.UdpPeersFull => "udp_peers_full",
        LossReason.SocketState => "socket_state",
        LossReason.ProcessesFull => "processes_full",
        LossReason.ExecutablesFull => "executables_full",
        LossReason.CgroupsFull => "cgroups_full",
        LossReason.PortsFull => "ports_full",
        _ => "unknown",
    };
}
