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

    private readonly HashSet<string> _dropped;
    private readonly int _bits4;
    private readonly int _bits6;

    public AttributeSelection(AggregationOptions options)
    {
        _dropped = [.. options.DropAttributes];
        _bits4 = options.PeerAddressBits4;
        _bits6 = options.PeerAddressBits6;
    }

    public EdgeAttributes Apply(in EdgeKey key, EdgeAttributes edge)
    {
        if (_dropped.Count > 0)
        {
            edge = new EdgeAttributes(
                Kept("workload.namespace", edge.WorkloadNamespace),
                Kept("workload.kind", edge.WorkloadKind),
                Kept("workload.name", edge.WorkloadName),
                Kept("process.executable.name", edge.ProcessExecutableName),
                Kept("network.role", edge.NetworkRole),
                Kept("peer.class", edge.PeerClass),
                Kept("peer.namespace", edge.PeerNamespace),
                Kept("peer.kind", edge.PeerKind),
                Kept("peer.name", edge.PeerName),
                Kept("server.port", edge.ServerPort),
                Kept("network.transport", edge.NetworkTransport),
                Kept("network.type", edge.NetworkType));
        }

        var address = key.PeerAddress;
        var bits = address.IsIPv4 ? _bits4 : _bits6;
        return bits == 0 || address.IsZero ? edge : edge with { PeerAddress = Prefix(address, bits) };
    }

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
