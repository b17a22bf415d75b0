using System.Text.Json;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.Truth;

/// <summary>What tests/load/before did with sockets that are older than the agent, from the agent's start on.</summary>
internal sealed class OlderSockets
{
    private readonly int _client;
    private readonly int _server;

    /// <param name="lines">What the program printed.</param>
    public OlderSockets(string lines)
    {
        var (processes, truth) = lines.Split('\n') is [var first, var second, ..] ? (JsonElement.Parse(first), JsonElement.Parse(second)) : throw new FormatException(lines);
        _client = processes.GetProperty("client").GetInt32();
        _server = processes.GetProperty("server").GetInt32();
        Edges = TrueEdge.Of(truth);
    }

    public IReadOnlyList<TrueEdge> Edges { get; }

    /// <summary>What the page and the records say differently: bytes and operations, role and owner of each socket, and that none comes twice.</summary>
    public IEnumerable<string> Differences(MetricPage page, IReadOnlyList<FlowStart> starts)
    {
        foreach (var difference in Edges.SelectMany(edge => edge.Differences(page)))
        {
            yield return difference;
        }

        foreach (var edge in Edges.Where(edge => edge.Transport == "tcp"))
        {
            var open = page.Sum("sockwatch_connections_open", ("process_executable_name", edge.Executable), ("network_role", edge.Role), ("server_port", edge.ServerPort));
            if (open != 0)
            {
                yield return $"{edge}: {open} connections open, none is";
            }
        }

        // A UDP server has one conversation a client, and only the first of them is the socket's own.
        var sockets = starts.Where(start => start is not { Role: "server", Transport: "udp" }).ToList();
        foreach (var start in sockets.Where(start => start.Pid != (start.Role == "client" ? _client : _server) || start.Attribution != FlowStart.Adopted))
        {
            yield return $"{start} is not of its owner, or not adopted";
        }

        foreach (var twice in sockets.GroupBy(start => (start.Role, start.Transport, start.LocalPort, start.PeerPort)).Where(group => group.Count() > 1))
        {
            yield return $"{twice.Key} started {twice.Count()} times";
        }

        foreach (var edge in Edges.Where(edge => edge is not { Role: "server", Transport: "udp" }))
        {
            var (said, was) = (sockets.Count(start => start.Role == edge.Role && start.Transport == edge.Transport), edge.Operations[("release", "")]);
            if (said != was)
            {
                yield return $"{edge}: {said} sockets taken over, were {was}";
            }
        }
    }

    public override string ToString() =>
        $"{Edges.Sum(edge => edge.Operations[("release", "")])} sockets, {Edges.Sum(edge => edge.Operations.Values.Sum())} operations, {Edges.Sum(edge => edge.BytesSent + edge.BytesReceived)} B";
}
