using System.Globalization;
using System.Text.Json;
using Sockwatch.KernelTests.Agents;
using Sockwatch.KernelTests.Truth;

namespace Sockwatch.KernelTests.Kernels;

/// <summary>What a guest of tests/vm handed back: the load program's truth beside the agent's page.</summary>
internal sealed class GuestRun
{
    private static readonly string[] Families = ["4", "6", "mapped"];

    private static readonly Dictionary<MatrixRow, Task<GuestRun>> s_runs = [];

    private readonly string _folder;

    /// <param name="whyNone">See <see cref="WhyNone"/>.</param>
    public GuestRun(string folder, string? whyNone, TimeSpan took)
    {
        _folder = folder;
        WhyNone = whyNone;
        Took = took;
    }

    /// <summary>Why there was no boot at all, such as a kernel that cannot be downloaded; null when there was one.</summary>
    public string? WhyNone { get; }

    public TimeSpan Took { get; }

    /// <summary>Of the agent when it did not get ready, or of the load program.</summary>
    public int ExitCode => int.Parse(Read("exit-code"), CultureInfo.InvariantCulture);

    /// <summary>It counted for a while, whatever became of it then.</summary>
    public bool WasReady => Read("readyz").Length > 0;

    public string Release => Read("release");

    /// <summary>The last line the agent wrote: its reason, where it did not run.</summary>
    public string AgentsLastWords => Read("agent.log").Split('\n')[^1].Replace("sockwatch: ", "");

    /// <summary>How far the guest came, and what was stuck.</summary>
    public string Console => Read("console");

    /// <summary>What the load program had to say beside its truth, such as what it left out and why.</summary>
    public string Notes => string.Join('\n', Families.Select(family => Read($"truth-{family}.log")).Where(notes => notes.Length > 0));

    /// <summary>The programs that the kernel did not run at a time, as they were at work already; a table.</summary>
    public string TurnedAway => Read("turned-away");

    /// <summary>One boot keeps one processor busy, so the next rows boot while this one's result is awaited.</summary>
    /// <exception cref="InvalidOperationException">The guest handed nothing back; the message says where it stopped.</exception>
    public static async Task<GuestRun> OfAsync(MatrixRow row)
    {
        var ahead = MatrixRow.All.SkipWhile(other => other != row).Take(Environment.ProcessorCount).ToList();
        foreach (var next in ahead.Where(next => !s_runs.ContainsKey(next)))
        {
            s_runs.Add(next, StartAsync(next));
        }

        return await s_runs[row];
    }

    private static async Task<GuestRun> StartAsync(MatrixRow row)
    {
        var folder = Path.Combine(Repository.Root, "artifacts/vm", $"{row.Suite}-{row.Architecture}-{row.Asked}");
        List<string> arguments = [row.Suite, "matrix", folder];
        if (row.Backend.Length > 0)
        {
            arguments.Add($"backend={row.Backend}");
        }

        var boot = await Shell.RunAsync(
            Path.Combine(Repository.Root, "tests/vm/boot"), arguments,
            new Dictionary<string, string> { ["ARCH"] = row.Architecture, ["SECONDS_LIMIT"] = "480" }, TimeSpan.FromSeconds(510));
        return boot.ExitCode switch
        {
            0 => new GuestRun(folder, null, boot.Took),
            77 => new GuestRun(folder, boot.Output.Trim(), boot.Took),
            _ => throw new InvalidOperationException($"{boot.Output.Trim()}\n{boot.Errors.Trim()}"),
        };
    }

    /// <summary>The ways in which a name was asked for that no peer has.</summary>
    public IEnumerable<string> AskedInVain(MetricPage page) => Read("asked").Split('\n', StringSplitOptions.RemoveEmptyEntries)
        .Where(way => page.Sum("sockwatch_socket_operations_total", ("peer_kind", "Dns"), ("peer_name", $"{way}.ask.test"), ("error_type", "connection_refused")) != 1);

    public MetricPage Page() => MetricPage.Parse(Read("metrics"));

    public IReadOnlyList<TrueEdge> Truth() => TrueEdge.Merge(Scenarios().SelectMany(TrueEdge.Of));

    /// <summary>What the load program says of each of its scenarios, over every family.</summary>
    public IEnumerable<JsonElement> Scenarios() =>
        Families.SelectMany(family => JsonElement.Parse(Read($"truth-{family}.json")).EnumerateArray());

    /// <summary>The sockets that were there before the agent.</summary>
    public OlderSockets Before() => new(Read("before.json"));

    /// <summary>The starts of an executable's flows.</summary>
    public IReadOnlyList<FlowStart> Starts(string executable) =>
        [.. Read($"starts-{executable}").Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(FlowStart.Parse)];

    /// <summary>How many contacts with listed peers were told of, by "role transport type": in the guest every peer of the load is listed.</summary>
    public IReadOnlyList<(string Kind, double Count)> Detections() =>
    [
        .. Read("detections").Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Trim().Split(' ', 2)).Select(line => (line[1], double.Parse(line[0], CultureInfo.InvariantCulture))).Order(),
    ];

    private string Read(string name)
    {
        var path = Path.Combine(_folder, name);
        return File.Exists(path) ? File.ReadAllText(path).Trim() : "";
    }
}
