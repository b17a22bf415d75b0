using System.Text.Json;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.Verdicts;

/// <summary>What a flow.detect record says.</summary>
internal sealed record DetectRecord(
    string Name, long Classification, string Role, string Transport, string Type, string Peer, int PeerPort, int LocalPort, int Pid, string FlowId, string PeerClass, string Error)
{
    public static IReadOnlyList<DetectRecord> In(IEnumerable<string> flowLog) =>
        [.. flowLog.Where(line => line.Contains("\"event.name\":\"flow.detect\"")).Select(Parse)];

    private static DetectRecord Parse(string line)
    {
        using var json = JsonDocument.Parse(line);
        var record = json.RootElement;
        return new DetectRecord(
            Text("detection.name"), Number("detection.classification"), Text("network.role"), Text("network.transport"), Text("network.type"),
            Text("network.peer.address"), (int)Number("network.peer.port"), (int)Number("network.local.port"), (int)Number("process.pid"),
            Text("flow.id"), Text("peer.class"), Text("error.type"));

        string Text(string name) => record.TryGetProperty(name, out var value) ? value.GetString()! : "";
        long Number(string name) => record.TryGetProperty(name, out var value) ? value.GetInt64() : 0;
    }
}

/// <summary>An agent with lists, and how to talk to it.</summary>
internal sealed class ListedAgent : IAsyncDisposable
{
    private readonly DirectoryInfo _state;

    private ListedAgent(RunningAgent agent, DirectoryInfo state)
    {
        Agent = agent;
        _state = state;
    }

    public RunningAgent Agent { get; }

    public IReadOnlyList<DetectRecord> Detections => DetectRecord.In(Agent.Output);

    public static async Task<ListedAgent> StartAsync(string list, params (string Variable, string Value)[] settings)
    {
        var state = Directory.CreateTempSubdirectory("sockwatch-test-");
        var agent = await RunningAgent.StartInAsync(state,
        [
            ("SOCKWATCH__VERDICTS__FILES", list), ("SOCKWATCH__FLOWLOG__TARGET", "-"), ("SOCKWATCH__FLOWLOG__FORMAT", "json"),
            ("SOCKWATCH__COLLECTION__INTERVAL", "500ms"), .. settings,
        ]);
        return new ListedAgent(agent, state);
    }

    public static string WriteList(string text)
    {
        var path = Path.Combine(Directory.CreateTempSubdirectory("sockwatch-list-").FullName, "list");
        File.WriteAllText(path, text);
        return path;
    }

    public async Task<string> CtlAsync(params string[] arguments)
    {
        var ended = await Shell.RunAsync(
            Repository.Agent, ["ctl", .. arguments], new Dictionary<string, string> { ["SOCKWATCH__STATEDIRECTORY"] = _state.FullName });
        Assert.True(ended.ExitCode == 0, ended.Errors);
        return ended.Output;
    }

    public async Task<IReadOnlyList<DetectRecord>> DetectionsUntilAsync(Func<IReadOnlyList<DetectRecord>, bool> isSo, TimeSpan? limit = null)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        while (!isSo(Detections) && clock.Elapsed < (limit ?? TimeSpan.FromSeconds(10)))
        {
            await Task.Delay(50);
        }

        return Detections;
    }

    public ValueTask DisposeAsync() => Agent.DisposeAsync();
}
