using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Control.Dump;

/// <summary>Processes that an operator has set a limit for, and what they have used of it; empty for none of the kind.</summary>
internal sealed class ProcessLimitDump(ProcessLimits limits) : IDumpSection
{
    public string Name => "process_limits";

    public IReadOnlyList<DumpColumn> Columns { get; } =
    [
        new("pid", IsNumber: true), new("sockets", IsNumber: true), new("most_sockets", IsNumber: true), new("seconds_left", IsNumber: true), new("withheld", IsNumber: true),
    ];

    public IEnumerable<string[]> Rows(int most) => limits.List().Select(process => (string[])
    [
        DumpCell.Of(process.Pid),
        DumpCell.Of((long)process.Sockets),
        process.MostSockets is { } sockets ? DumpCell.Of((long)sockets) : "",
        process.TimeLeft is { } left ? DumpCell.Of((long)Math.Ceiling(left.TotalSeconds)) : "",
        DumpCell.Of((long)process.Withheld),
    ]);
}

/// <summary>Where the entries come from that addresses are matched with.</summary>
internal sealed class ListDump(ListStatus lists, Microsoft.Extensions.Options.IOptions<Verdicts.VerdictOptions> options) : IDumpSection
{
    public string Name => "verdicts";

    public IReadOnlyList<DumpColumn> Columns { get; } = [new("source"), new("entries", IsNumber: true), new("limit", IsNumber: true)];

    public IEnumerable<string[]> Rows(int most) =>
    [
        ["file", DumpCell.Of(lists.FromFiles), DumpCell.Of(options.Value.MaxEntries)],
        ["added", DumpCell.Of(lists.Added), DumpCell.Of(options.Value.MaxAdded)],
    ];
}
