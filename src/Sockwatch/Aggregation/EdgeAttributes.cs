namespace Sockwatch.Aggregation;

/// <summary>Who talked to whom, in names: the labels every traffic metric carries. Absent is the empty string.</summary>
internal sealed record EdgeAttributes(
    string WorkloadNamespace,
    string WorkloadKind,
    string WorkloadName,
    string ProcessExecutableName,
    string NetworkRole,
    string PeerClass,
    string PeerNamespace,
    string PeerKind,
    string PeerName,
    string ServerPort,
    string NetworkTransport,
    string NetworkType)
{
    /// <summary>Takes the traffic of label sets beyond the budget, and of edges the kernel had no room for.</summary>
    public static readonly EdgeAttributes Overflow = new("", "", "", "", "", "", "", "", "_overflow", "", "", "");

    // What follows is part of a label set only where the configuration asks for it: see AttributeSelection.

    /// <summary>The peer's address or its network.</summary>
    public string PeerAddress { get; init; } = "";

    public string ProcessExecutablePath { get; init; } = "";

    /// <summary>Empty as well where the kernel does not tell edges apart by it.</summary>
    public string ProcessPid { get; init; } = "";

    public string ContainerId { get; init; } = "";

    public string PodName { get; init; } = "";

    /// <summary>What its flows were last recognised to speak.</summary>
    public string ProtocolName { get; init; } = "";

    /// <summary>A better name may come within moments. Never part of a label set.</summary>
    public bool IsProvisional { get; init; }

    /// <summary>False while a name may still come: of the socket's owner, or of the peer on this machine.</summary>
    public bool IsComplete =>
        WorkloadKind.Length > 0 && !IsProvisional && !(NetworkRole == "client" && PeerClass is "loopback" or "node" && PeerKind.Length == 0);
}
