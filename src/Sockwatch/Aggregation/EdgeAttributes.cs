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

    /// <summary>The peer's address or its network, where the configuration asks for it.</summary>
    public string PeerAddress { get; init; } = "";

    /// <summary>False while a name may still come: of the socket's owner, or of the peer on this machine.</summary>
    public bool IsComplete =>
        WorkloadKind.Length > 0 && !(NetworkRole == "client" && PeerClass is "loopback" or "node" && PeerKind.Length == 0);
}
