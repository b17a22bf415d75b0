namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>enum flow_end_reason</c>.</summary>
internal enum FlowEndReason : byte
{
    None = 0,

    /// <summary>This side closed first.</summary>
    LocalClose = 1,

    /// <summary>The peer's FIN came first.</summary>
    PeerClose = 2,

    ResetReceived = 3,
    ResetSent = 4,
    TimedOut = 5,

    /// <summary>See <see cref="FlowRecord.Error"/>.</summary>
    Error = 6,

    /// <summary>UDP: silent for longer than the idle time.</summary>
    Idle = 7,
}
