namespace Sockwatch.Exporters.Trace;

/// <summary>Which records a trace shows, as people write it: those that meet every kind of choice given, by one of its values.</summary>
internal sealed record TraceChoice
{
    /// <summary>Values of one kind; the reader's thread compares each record with all of them.</summary>
    public const int MaxValues = 100;

    public static readonly TraceChoice Everything = new();

    public IReadOnlyList<uint> Pids { get; init; } = [];

    /// <summary>Whether what descends from <see cref="Pids"/> is chosen too.</summary>
    public bool WithChildren { get; init; } = true;

    /// <summary>Base names, or whole paths when they hold a slash.</summary>
    public IReadOnlyList<string> Executables { get; init; } = [];

    public IReadOnlyList<uint> Uids { get; init; } = [];

    /// <summary>Ids, or how they begin, or names.</summary>
    public IReadOnlyList<string> Containers { get; init; } = [];

    public IReadOnlyList<string> Namespaces { get; init; } = [];

    /// <summary>Of either side.</summary>
    public IReadOnlyList<ushort> Ports { get; init; } = [];

    /// <summary>Around either side's address.</summary>
    public IReadOnlyList<string> Networks { get; init; } = [];

    public IReadOnlyList<string> Operations { get; init; } = [];

    public IReadOnlyList<string> Protocols { get; init; } = [];

    /// <summary>It tells some processes or conversations from others, whatever they do.</summary>
    public bool IsOfSome => Pids.Count > 0 || Executables.Count > 0 || Uids.Count > 0 || Containers.Count > 0 || Namespaces.Count > 0
        || Ports.Count > 0 || Networks.Count > 0;

    /// <summary>The first thing that is wrong with it, in words for people; null when all is well.</summary>
    public string? WhyNot()
    {
        foreach (var (kind, count) in Counts())
        {
            if (count > MaxValues)
            {
                return $"{count} {kind}; at most {MaxValues} can be told apart";
            }
        }

        return Networks.Where(text => TraceValues.Network(text) is null).Select(text => $"\"{text}\" is no network").FirstOrDefault()
            ?? Operations.Where(text => TraceValues.Operation(text) is null).Select(text => $"\"{text}\" is no operation").FirstOrDefault()
            ?? Protocols.Where(text => TraceValues.Transport(text) is null).Select(text => $"\"{text}\" is no protocol").FirstOrDefault()
            ?? (Containers.Any(text => text.Length == 0) ? "a container without a name" : null);
    }

    private IEnumerable<(string Kind, int Count)> Counts() =>
    [
        ("pids", Pids.Count), ("executables", Executables.Count), ("uids", Uids.Count), ("containers", Containers.Count),
        ("namespaces", Namespaces.Count), ("ports", Ports.Count), ("networks", Networks.Count), ("operations", Operations.Count),
        ("protocols", Protocols.Count),
    ];
}
