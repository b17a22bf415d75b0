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

    /// <summary>A call was not followed to its return: its bytes are not counted.</summary>
    CallsFull = 11,

    /// <summary>A call's return was not seen: its bytes are not counted.</summary>
    CallReturn = 12,

    /// <summary>A DNS message found no room in its ring: a name is not known.</summary>
    DnsFull = 13,

    /// <summary>A DNS message was not where the call's arguments say: a name is not known.</summary>
    DnsUnreadable = 14,

    /// <summary>An edge over its owner's share: its counts went to the owner's overflow.</summary>
    EdgesQuota = 15,

    FailuresQuota = 16,

    /// <summary>A UDP conversation over its process's share has no flow records.</summary>
    UdpFlowsQuota = 17,

    /// <summary>A socket over its process's share: its counts went to the owner's overflow.</summary>
    SocketsQuota = 18,

    /// <summary>A flow record over its process's share of a ring that is filling up.</summary>
    RecordsQuota = 19,

    /// <summary>A flow record that an operator's limit of the process left no room for.</summary>
    ProcessLimit = 20,

    /// <summary>A detection's record found no room in the ring buffer; the detection is counted all the same.</summary>
    Detections = 21,

    /// <summary>A detection is counted for the overflow edge.</summary>
    DetectionsFull = 22,

    /// <summary>Captured bytes found no room in payload's share of the ring buffer.</summary>
    PayloadRing = 23,

    /// <summary>Bytes that were sent or received could not be read.</summary>
    PayloadFault = 24,

    /// <summary>Bytes in pages (sendfile) that cannot be found on this kernel.</summary>
    PayloadPages = 25,

    /// <summary>Too many calls at a time to follow each: what they sent or received is not captured.</summary>
    PayloadCalls = 26,
}

internal static class LossReasons
{
    /// <summary>LOSS_REASONS: the length of the kernel's array.</summary>
    public const int Count = 27;

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
        LossReason.CallsFull => "calls_full",
        LossReason.CallReturn => "call_return",
        LossReason.DnsFull => "dns_full",
        LossReason.DnsUnreadable => "dns_unreadable",
        LossReason.EdgesQuota => "edges_quota",
        LossReason.FailuresQuota => "failures_quota",
        LossReason.UdpFlowsQuota => "udp_flows_quota",
        LossReason.SocketsQuota => "sockets_quota",
        LossReason.RecordsQuota => "records_quota",
        LossReason.ProcessLimit => "process_limit",
        LossReason.Detections => "detections",
        LossReason.DetectionsFull => "detections_full",
        LossReason.PayloadRing => "payload_ring",
        LossReason.PayloadFault => "payload_fault",
        LossReason.PayloadPages => "payload_pages",
        LossReason.PayloadCalls => "payload_calls",
        _ => "unknown",
    };
}
