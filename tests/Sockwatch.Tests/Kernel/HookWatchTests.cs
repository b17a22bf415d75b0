using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Tests.Kernel;

public sealed class HookWatchTests
{
    private static readonly HookWay Send =
        HookGroup.All.Single(group => group.Name == "send").Ways.First(way => way.Programs.Any(hook => hook.Backend == HookBackend.Cgroup));

    private static readonly HookProgram Needed = Send.Required.First(hook => hook.Operation == "send");

    private static readonly HookProgram Optional = Send.Programs.First(hook => hook is { Operation: "send", Backend: HookBackend.Cgroup });

    [Fact]
    public void What_totals_need_is_lost_when_it_is_gone_whatever_else_is_attached() => Assert.Equal(
        [new(Needed.Operation, Needed.Backend.Name(), HookReport.Lost), new(Optional.Operation, "cgroup", HookReport.Attached)], Report(Needed));

    [Fact]
    public void What_totals_do_without_is_missing_when_it_is_gone() => Assert.Equal(
        [new(Needed.Operation, Needed.Backend.Name(), HookReport.Attached), new(Optional.Operation, "cgroup", HookReport.Missing)], Report(Optional));

    [Fact]
    public void What_was_never_attached_is_missing() => Assert.Equal(
        [new HookReport(Optional.Operation, "cgroup", HookReport.Missing)], HookWatch.Report([new HookOutcome(Optional, "refused")], []));

    private static IReadOnlyList<HookReport> Report(HookProgram gone) =>
        HookWatch.Report([new HookOutcome(Needed, null), new HookOutcome(Optional, null)], [gone.Program]);
}
