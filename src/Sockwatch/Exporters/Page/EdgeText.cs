using Sockwatch.Aggregation;

namespace Sockwatch.Exporters.Page;

/// <summary>What people call the two ends of an edge.</summary>
internal static class EdgeText
{
    public const string OverflowName = "_overflow";

    public static string Workload(EdgeAttributes edge) => edge switch
    {
        { PeerName: OverflowName, WorkloadName: "" } => "everything else",
        { WorkloadName.Length: > 0 } => edge.WorkloadName,
        { ProcessExecutableName.Length: > 0 } => edge.ProcessExecutableName,
        _ => "unknown",
    };

    public static string Peer(EdgeAttributes edge) => edge switch
    {
        { PeerName: OverflowName, WorkloadName: "" } => "beyond the limit of series",
        { PeerName.Length: > 0 } => edge.PeerName,
        { PeerAddress.Length: > 0 } => edge.PeerAddress,
        _ => PeerClass(edge.PeerClass),
    };

    /// <summary>A peer without a name is known by where it is.</summary>
    public static string PeerClass(string peerClass) => peerClass switch
    {
        "loopback" => "this machine (loopback)",
        "node" => "this machine",
        "private" => "private network",
        "public" => "public internet",
        "pod" => "a pod",
        "service" => "a service",
        "listed" => "a listed address",
        _ => "unknown",
    };

    /// <summary>What kind of thing, and where: "Deployment in shop".</summary>
    public static string Kind(string kind, string ns) => (kind, ns) switch
    {
        ("", _) => ns,
        (_, "") => Spaced(kind),
        _ => $"{Spaced(kind)} in {ns}",
    };

    private static string Spaced(string kind) => kind == "SystemdUnit" ? "systemd unit" : kind;
}
