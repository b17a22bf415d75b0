using Sockwatch.Kernel;

namespace Sockwatch.Exporters;

/// <summary>Words of the flow log that several formats share.</summary>
internal static class FlowLogNames
{
    /// <summary>The value of <c>event.name</c>; null when the record is not part of the flow log.</summary>
    public static string? EventName(RecordKind kind) => kind switch
    {
        RecordKind.FlowStart => "flow.start",
        RecordKind.FlowUpdate => "flow.update",
        RecordKind.FlowEnd => "flow.end",
        RecordKind.FlowFailed => "flow.failed",
        _ => null,
    };

    /// <summary>The value of <c>flow.end_reason</c>; empty when there is none.</summary>
    public static string Name(FlowEndReason reason) => reason switch
    {
        FlowEndReason.LocalClose => "local_close",
        FlowEndReason.PeerClose => "peer_close",
        FlowEndReason.ResetReceived => "reset_received",
        FlowEndReason.ResetSent => "reset_sent",
        FlowEndReason.TimedOut => "timed_out",
        FlowEndReason.Error => "error",
        FlowEndReason.Idle => "idle",
        _ => "",
    };

    /// <summary>The value of <c>flow.attribution</c>.</summary>
    public static string Name(FlowAttribution attribution) => attribution switch
    {
        FlowAttribution.Exact => "exact",
        FlowAttribution.Cgroup => "cgroup",
        FlowAttribution.Adopted => "adopted",
        _ => "none",
    };

    public static string Name(NetworkRole role) => role switch
    {
        NetworkRole.Client => "client",
        NetworkRole.Server => "server",
        _ => "",
    };

    public static string NetworkType(byte type) => type switch
    {
        4 => "ipv4",
        6 => "ipv6",
        _ => "",
    };

    /// <summary>The last part of a path, as the process is called by people.</summary>
    public static string BaseName(string path) => path[(path.LastIndexOf('/') + 1)..];
}
