namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>enum record_kind</c>.</summary>
internal enum RecordKind : byte
{
    FlowStart = 1,
    FlowUpdate = 2,
    FlowEnd = 3,
    FlowFailed = 4,

    /// <summary>UDP, while tracing: the peer is not the socket's last one.</summary>
    PeerChanged = 5,

    /// <summary>The peer is on a list.</summary>
    FlowDetect = 6,

    /// <summary>A <see cref="PayloadRecord"/>: what was sent or received, while that is captured.</summary>
    Payload = 7,
}
