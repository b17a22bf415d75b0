using System.Runtime.InteropServices;
using Sockwatch.Aggregation;

namespace Sockwatch.Exporters.Page;

/// <summary>A workload of this node, a named peer, or all unnamed peers of one class.</summary>
/// <param name="Place">Of unnamed peers: in for those who call, out for those who are called.</param>
internal sealed record MapNode(string Name, string Namespace, string Kind, string Place, string Class)
{
    /// <summary>Whether sockets of it were seen on this node.</summary>
    public bool IsLocal { get; set; }
}

/// <summary>All edges from one client to one server. What the client sends is sent; rates are per second.</summary>
internal sealed class MapLink
{
    private const int MaxPorts = 3;

    private readonly SortedSet<string> _ports = new(StringComparer.Ordinal);
    private Sums _asClient;
    private Sums _asServer;

    /// <summary>Indices of nodes.</summary>
    public required int Source { get; set; }

    public required int Target { get; set; }

    public IReadOnlyCollection<string> Ports => _ports;

    /// <summary>When both ends are on this node, each of them was counted: one of the two is the truth, not both.</summary>
    public ref readonly Sums Sums => ref _asClient.Edges > 0 ? ref _asClient : ref _asServer;

    /// <summary>What decides whether there is room for it: what it carried, and more so what it carries now. A failure weighs as a kilobyte.</summary>
    public double Weight => Sums.Bytes + (300 * (Sums.SentRate + Sums.ReceivedRate)) + (1000.0 * Sums.Failures);

    public void Add(in EdgeRow row)
    {
        var isServer = row.Edge.NetworkRole == "server";
        ref var sums = ref isServer ? ref _asServer : ref _asClient;
        sums.Edges++;
        sums.SentRate += isServer ? row.ReceivedRate : row.SentRate;
        sums.ReceivedRate += isServer ? row.SentRate : row.ReceivedRate;
        sums.Bytes += row.Bytes;
        sums.Open += row.Series.Open;
        sums.Failures += row.Failures;
        sums.FailureRate += row.FailureRate;
        if (row.Edge.ServerPort.Length > 0 && _ports.Count < MaxPorts)
        {
            _ports.Add($"{row.Edge.ServerPort}/{row.Edge.NetworkTransport}");
        }
    }
}

internal struct Sums
{
    public int Edges;
    public double SentRate;
    public double ReceivedRate;
    public double Bytes;
    public long Open;
    public ulong Failures;
    public double FailureRate;
}

/// <summary>Who talks to whom, as a graph: the heaviest links, and how many found no room.</summary>
internal sealed class ServiceMap
{
    public const int DefaultLinks = 24;
    public const int MaxLinks = 200;

    private ServiceMap(IReadOnlyList<MapNode> nodes, IReadOnlyList<MapLink> links, int allLinks)
    {
        Nodes = nodes;
        Links = links;
        AllLinks = allLinks;
    }

    /// <summary>The ends of <see cref="Links"/>.</summary>
    public IReadOnlyList<MapNode> Nodes { get; }

    /// <summary>Heaviest first; their ends are indices into <see cref="Nodes"/>.</summary>
    public IReadOnlyList<MapLink> Links { get; }

    public int AllLinks { get; }

    public static ServiceMap Of(TrafficView view, EdgeFilter filter, int maxLinks)
    {
        var nodes = new Dictionary<(string Name, string Namespace, string Kind, string Place), int>();
        var all = new List<MapNode>();
        var links = new Dictionary<(int Source, int Target), MapLink>();
        var servedHere = new HashSet<(int Server, string Port, string Transport)>();
        var ownClients = new List<(EdgeRow Row, int Server)>();

        foreach (var row in view.Rows)
        {
            if (!filter.Matches(row))
            {
                continue;
            }

            var edge = row.Edge;
            var workload = Workload(edge);
            if (edge.NetworkRole != "server")
            {
                var server = Peer(edge);
                servedHere.Add((server, edge.ServerPort, edge.NetworkTransport));
                Link(workload, server).Add(row);
            }
            else if (edge.PeerClass is "loopback" or "node" && edge.PeerName.Length == 0)
            {
                ownClients.Add((row, workload));
            }
            else
            {
                Link(Peer(edge), workload).Add(row);
            }
        }

        // The server does not know which of this machine's programs called; where the clients' own edges tell, it would show twice.
        foreach (var (row, server) in ownClients)
        {
            if (!servedHere.Contains((server, row.Edge.ServerPort, row.Edge.NetworkTransport)))
            {
                Link(Peer(row.Edge), server).Add(row);
            }
        }

        return Heaviest(all, [.. links.Values], maxLinks);

        int Workload(EdgeAttributes edge)
        {
            var index = Node(EdgeText.Workload(edge), edge.WorkloadNamespace, edge.WorkloadKind, "", "");
            all[index].IsLocal = true;
            return index;
        }

        // An unnamed class that calls and is called is two things to people: those who come in, and where we go.
        int Peer(EdgeAttributes edge) => edge.PeerName.Length > 0 || edge.PeerAddress.Length > 0
            ? Node(EdgeText.Peer(edge), edge.PeerNamespace, edge.PeerKind, "", edge.PeerClass)
            : Node(EdgeText.Peer(edge), "", "", edge.NetworkRole == "server" ? "in" : "out", edge.PeerClass);

        int Node(string name, string ns, string kind, string place, string peerClass)
        {
            ref var index = ref CollectionsMarshal.GetValueRefOrAddDefault(nodes, (name, ns, kind, place), out var known);
            if (!known)
            {
                index = all.Count;
                all.Add(new MapNode(name, ns, kind, place, peerClass));
            }

            return index;
        }

        MapLink Link(int source, int target)
        {
            ref var link = ref CollectionsMarshal.GetValueRefOrAddDefault(links, (source, target), out _);
            return link ??= new MapLink { Source = source, Target = target };
        }
    }

    private static ServiceMap Heaviest(List<MapNode> all, IReadOnlyCollection<MapLink> links, int maxLinks)
    {
        var kept = links.OrderByDescending(link => link.Weight).ThenBy(link => link.Source).ThenBy(link => link.Target).Take(maxLinks).ToList();
        var indices = new Dictionary<int, int>();
        var nodes = new List<MapNode>();
        foreach (var link in kept)
        {
            link.Source = Keep(link.Source);
            link.Target = Keep(link.Target);
        }

        return new ServiceMap(nodes, kept, links.Count);

        int Keep(int node)
        {
            ref var index = ref CollectionsMarshal.GetValueRefOrAddDefault(indices, node, out var known);
            if (!known)
            {
                index = nodes.Count;
                nodes.Add(all[node]);
            }

            return index;
        }
    }
}
