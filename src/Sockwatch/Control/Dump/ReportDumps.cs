using Sockwatch.Aggregation;
using Sockwatch.Configuration;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters;

namespace Sockwatch.Control.Dump;

/// <summary>The kernel's maps and how full they are.</summary>
internal sealed class MapDump(IReportSource reports) : IDumpSection
{
    public string Name => "maps";

    public IReadOnlyList<DumpColumn> Columns { get; } = [new("map"), new("entries", IsNumber: true), new("limit", IsNumber: true)];

    public IEnumerable<string[]> Rows(int most) =>
        (reports.Latest ?? TrafficReport.Empty).Maps.Select(map => (string[])[map.Map, DumpCell.Of(map.Entries), DumpCell.Of(map.MaxEntries)]);
}

/// <summary>What the agent itself has limits for, apart from maps.</summary>
internal sealed class LimitDump(IReportSource reports, ControlUse control) : IDumpSection
{
    public string Name => "limits";

    public IReadOnlyList<DumpColumn> Columns { get; } = [new("of"), new("used", IsNumber: true), new("limit", IsNumber: true)];

    public IEnumerable<string[]> Rows(int most)
    {
        var report = reports.Latest ?? TrafficReport.Empty;
        for (var index = 0; index < TrafficMetrics.Count; index++)
        {
            var metric = (TrafficMetric)index;
            yield return ["series of " + MetricCatalogue.Of(metric).PrometheusName, DumpCell.Of(report.Budget.Series[index]), DumpCell.Of(report.Budget.LimitOf(metric))];
        }

        yield return ["clients of the control socket", DumpCell.Of(control.Clients), DumpCell.Of(control.MaxClients)];
        yield return ["traces", DumpCell.Of(control.Traces), DumpCell.Of(control.MaxTraces)];
    }
}

/// <summary>Everything that is not accounted for, by stage and reason; what caches put aside; who was turned away.</summary>
internal sealed class LossDump(LossLedger losses, CacheLedger caches, ControlRefusals refusals) : IDumpSection
{
    public string Name => "losses";

    public IReadOnlyList<DumpColumn> Columns { get; } = [new("stage"), new("reason"), new("count", IsNumber: true)];

    public IEnumerable<string[]> Rows(int most) =>
    [
        .. losses.Read().Select(loss => (string[])[loss.Stage, loss.Reason, DumpCell.Of(loss.Count)]),
        .. caches.Read().Select(cache => (string[])[$"cache {cache.Cache}", "put_aside", DumpCell.Of(cache.Evictions)]),
        .. refusals.Read().Select(refusal => (string[])["control", refusal.Reason, DumpCell.Of(refusal.Count)]),
    ];
}

/// <summary>What is at work in the kernel, and what it was kept from.</summary>
internal sealed class ProgramDump(IReportSource reports) : IDumpSection
{
    public string Name => "programs";

    public IReadOnlyList<DumpColumn> Columns { get; } =
        [new("program"), new("runs", IsNumber: true), new("turned_away", IsNumber: true), new("missed", IsNumber: true)];

    public IEnumerable<string[]> Rows(int most) => (reports.Latest ?? TrafficReport.Empty).Programs.Select(program =>
        (string[])[program.Program, DumpCell.Of(program.Runs), DumpCell.Of(program.TurnedAway), DumpCell.Of(program.Missed)]);
}

/// <summary>What observes what.</summary>
internal sealed class HookDump(HookState hooks) : IDumpSection
{
    public string Name => "hooks";

    public IReadOnlyList<DumpColumn> Columns { get; } = [new("operation"), new("backend"), new("state")];

    public IEnumerable<string[]> Rows(int most) => hooks.Current.Select(hook => (string[])[hook.Operation, hook.Backend, hook.State]);
}

/// <summary>What can be changed while the agent runs, as it is now.</summary>
internal sealed class OptionDump(IEnumerable<RunTimeOption> options) : IDumpSection
{
    private readonly RunTimeOption[] _options = [.. options.OrderBy(option => option.Key, StringComparer.Ordinal)];

    public string Name => "options";

    public IReadOnlyList<DumpColumn> Columns { get; } = [new("key"), new("value"), new("changed")];

    public IEnumerable<string[]> Rows(int most) => _options.Select(option => (string[])[option.Key, option.Read(), option.IsChanged ? "yes" : "no"]);
}
