using System.Globalization;
using System.Text.Json;

namespace Sockwatch.KernelTests.Truth;

/// <summary>What a record of a flow's start says of its socket and of who has it.</summary>
internal sealed record FlowStart(string Role, string Transport, int LocalPort, int PeerPort, int Pid, string Attribution)
{
    public const string Adopted = "adopted";

    /// <summary>Of the flow log's lines, the starts of an executable's flows.</summary>
    public static IReadOnlyList<FlowStart> Of(IEnumerable<string> lines, string executable) =>
    [
        .. lines.Where(line => line.Contains("\"event.name\":\"flow.start\"") && line.Contains($"\"process.executable.name\":\"{executable}\""))
            .Select(line => JsonElement.Parse(line))
            .Select(start => new FlowStart(
                start.GetProperty("network.role").GetString()!, start.GetProperty("network.transport").GetString()!,
                start.GetProperty("network.local.port").GetInt32(),
                start.TryGetProperty("network.peer.port", out var port) ? port.GetInt32() : 0,
                start.GetProperty("process.pid").GetInt32(), start.GetProperty("flow.attribution").GetString()!)),
    ];

    /// <summary>A line of what a guest selected.</summary>
    public static FlowStart Parse(string line)
    {
        var words = line.Split(' ');
        return new FlowStart(words[0], words[1], Number(words[2]), Number(words[3]), Number(words[4]), words[5]);
    }

    /// <summary>
    /// Which process each accepted connection is said to belong to, beside what the load programs know: who accepted it or, where
    /// that shows only at the first use of the connection, who used it first.
    /// </summary>
    /// <returns>What is not alike, one line each.</returns>
    public static IEnumerable<string> DifferencesOfAcceptors(IEnumerable<FlowStart> starts, IEnumerable<JsonElement> scenarios, bool atFirstUse)
    {
        var recorded = starts.Where(start => start is { Role: "server", Transport: "tcp" })
            .GroupBy(start => (start.LocalPort, start.Pid)).ToDictionary(group => group.Key, group => group.LongCount());
        var known = scenarios.Where(scenario => scenario.TryGetProperty("acceptors", out _)).SelectMany(scenario =>
        {
            var acceptors = scenario.GetProperty("acceptors").EnumerateArray().ToList();
            var what = atFirstUse && acceptors.Any(acceptor => acceptor.GetProperty("handed").GetInt64() > 0) ? "handed" : "accepted";
            return acceptors.Select(acceptor => (
                Key: (acceptor.GetProperty("server_port").GetInt32(), acceptor.GetProperty("pid").GetInt32()),
                Count: acceptor.GetProperty(what).GetInt64()));
        }).GroupBy(acceptor => acceptor.Key).ToDictionary(group => group.Key, group => group.Sum(acceptor => acceptor.Count));
        foreach (var (port, pid) in recorded.Keys.Union(known.Keys).Order())
        {
            var (said, was) = (recorded.GetValueOrDefault((port, pid)), known.GetValueOrDefault((port, pid)));
            if (said != was)
            {
                yield return $"port {port}: {said} connections said to be taken by process {pid}, were {was}";
            }
        }
    }

    private static int Number(string word) => word == "" ? 0 : int.Parse(word, CultureInfo.InvariantCulture);
}
