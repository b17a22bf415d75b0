using System.Collections.Immutable;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters;

/// <summary>Words of the flow log that several formats share.</summary>
internal static class FlowLogNames
{
    private const string Flow = "flow.";

    /// <summary>The kinds of records, as the configuration names them.</summary>
    public static readonly ImmutableArray<string> Kinds = [.. Enum.GetValues<RecordKind>().Select(KindName).OfType<string>()];

    /// <summary>The value of <c>event.name</c>; null when the record is not part of the flow log.</summary>
    public static string? EventName(RecordKind kind) => kind switch
    {
        RecordKind.FlowStart => "flow.start",
        RecordKind.FlowUpdate => "flow.update",
        RecordKind.FlowEnd => "flow.end",
        RecordKind.FlowFailed => "flow.failed",
        RecordKind.FlowDetect => "flow.detect",
        _ => null,
    };

    /// <summary>The last part of <see cref="EventName"/>; null likewise.</summary>
    public static string? KindName(RecordKind kind) => EventName(kind)?[Flow.Length..];

    /// <summary>False of a detection at a connect that has had no answer yet: the flow may never start.</summary>
    public static bool HasStarted(in FlowRecord record) =>
        record.Kind != RecordKind.FlowDetect || record.Operation != SocketOperation.Connect || record.ConnectDurationNs != 0;

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
