using Sockwatch.Diagnostics;
using Sockwatch.Exporters;
using Sockwatch.Kernel;
using Sockwatch.Reader;

namespace Sockwatch.Control.Dump;

/// <summary>Live processes that have used a socket.</summary>
internal sealed class ProcessDump(IKernelBooks books, IKernelTotals names, BootClock clock) : IDumpSection
{
    public string Name => "processes";

    public IReadOnlyList<DumpColumn> Columns { get; } =
        [new("pid", IsNumber: true), new("parent", IsNumber: true), new("started"), new("executable"), new("cgroup")];

    public IEnumerable<string[]> Rows(int most) => books.Processes(most + 1).OrderBy(process => process.Pid).Select(entry => (string[])
    [
        DumpCell.Of(entry.Pid), DumpCell.Of(entry.Process.ParentPid), DumpCell.Time(clock, entry.Process.StartedAtNs),
        names.ExecutablePath(entry.Process.ExecutableId) ?? "", names.CgroupPath(entry.Process.CgroupId) ?? "",
    ]);
}
