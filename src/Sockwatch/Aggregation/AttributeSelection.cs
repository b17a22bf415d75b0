using System.Collections.Immutable;
using System.Net;
using Sockwatch.Kernel;

namespace Sockwatch.Aggregation;

/// <summary>
/// Which attributes tell series apart, by configuration. Applied before anything is added up, so edges that differ in nothing
/// else share a series and every sum is what it would have been.
/// </summary>
internal sealed class AttributeSelection
{
    public static readonly ImmutableArray<string> Droppable =
    [
        "workload.namespace", "workload.kind", "workload.name", "process.executable.name", "network.role",
        "peer.class", "peer.namespace", "peer.kind", "peer.name", "server.port", "network.transport", "network.type",
    ];

    /// <summary>The only one that the kernel has to know of: it tells edges apart by process then.</summary>
    public const string ProcessPid = "process.pid";

    /// <summary>Attributes that are no part of the edge unless they are added.</summary>
    public static readonly ImmutableArray<(string Name, Func<EdgeAttributes, string> Value)> Addable =
    [
        ("network.peer.address", edge => edge.PeerAddress),
        ("process.executable.path", edge => edge.ProcessExecutablePath),
        (ProcessPid, edge => edge.ProcessPid),
        ("container.id", edge => edge.ContainerId),
        ("k8s.pod.name", edge => edge.PodName),
        ("network.protocol.name", edge => edge.ProtocolName),
    ];

    private const int AllBits4 = 32;
    private const int AllBits6 = 128;

    private readonly HashSet<string> _added;
    private readonly HashSet<string> _dropped;
    private readonly int _bits4;
    private readonly int _bits6;

    public AttributeSelection(AggregationOptions options)
    {
        _added = Added(options);
        _dropped = [.. options.DropAttributes];
        var isWhole = options is { PeerAddressBits4: 0, PeerAddressBits6: 0 } && _added.Contains("network.peer.address");
        _bits4 = isWhole ? AllBits4 : options.PeerAddressBits4;
        _bits6 = isWhole ? AllBits6 : options.PeerAddressBits6;
    }

    /// <summary>What the configuration adds. To ask for a part of the peer's address is to ask for the address.</summary>
    public static HashSet<string> Added(AggregationOptions options)
    {
        HashSet<string> added = [.. options.AddAttributes];
        if (options is { PeerAddressBits4: > 0 } or { PeerAddressBits6: > 0 })
        {
            added.Add("network.peer.address");
        }

        return added;
    }

    public EdgeAttributes Apply(in EdgeKey key, EdgeAttributes edge)
    {
        if (_dropped.Count > 0)
        {
            edge = edge with
            {
                WorkloadNamespace = Kept("workload.namespace", edge.WorkloadNamespace),
                WorkloadKind = Kept("workload.kind", edge.WorkloadKind),
                WorkloadName = Kept("workload.name", edge.WorkloadName),
                ProcessExecutableName = Kept("process.executable.name", edge.ProcessExecutableName),
                NetworkRole = Kept("network.role", edge.NetworkRole),
                PeerClass = Kept("peer.class", edge.PeerClass),
                PeerNamespace = Kept("peer.namespace", edge.PeerNamespace),
                PeerKind = Kept("peer.kind", edge.PeerKind),
                PeerName = Kept("peer.name", edge.PeerName),
                ServerPort = Kept("server.port", edge.ServerPort),
                NetworkTransport = Kept("network.transport", edge.NetworkTransport),
                NetworkType = Kept("network.type", edge.NetworkType),
            };
        }

        edge = WithoutUnasked(edge);

        var address = key.PeerAddress;
        var bits = address.IsIPv4 ? _bits4 : _bits6;
        return bits == 0 || address.IsZero ? edge : edge with { PeerAddress = Prefix(address, bits) };
    }

    private EdgeAttributes WithoutUnasked(EdgeAttributes edge)
    {
        var path = IfAdded("process.executable.path", edge.ProcessExecutablePath);
        var pid = IfAdded(ProcessPid, edge.ProcessPid);
        var container = IfAdded("container.id", edge.ContainerId);
        var pod = IfAdded("k8s.pod.name", edge.PodName);
        var protocol = IfAdded("network.protocol.name", edge.ProtocolName);
        var isAsIs = path.Length == edge.ProcessExecutablePath.Length && pid.Length == edge.ProcessPid.Length
            && container.Length == edge.ContainerId.Length && pod.Length == edge.PodName.Length && protocol.Length == edge.ProtocolName.Length && !edge.IsProvisional;
        return isAsIs
            ? edge
            : edge with
            {
                ProcessExecutablePath = path,
                ProcessPid = pid,
                ContainerId = container,
                PodName = pod,
                ProtocolName = protocol,
                IsProvisional = false,
            };
    }

    private string IfAdded(string name, string value) => value.Length > 0 && _added.Contains(name) ? value : "";

    private string Kept(string name, string value) => _dropped.Contains(name) ? "" : value;

    private static string Prefix(Address16 address, int bits)
    {
        var bytes = address.ToIPAddress().GetAddressBytes();
        if (bits >= bytes.Length * 8)
        {
            return address.ToString();
        }

        for (var i = 0; i < bytes.Length; i++)
        {
            var kept = Math.Clamp(bits - (i * 8), 0, 8);
            bytes[i] &= (byte)(0xff00 >> kept);
        }

        return string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{new IPAddress(bytes)}/{bits}");
    }
}
