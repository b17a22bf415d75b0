using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters.Page;

/// <summary>What the page says of the agent and its node beside traffic.</summary>
internal sealed class PageNode(
    Health health, ExportFailures failures, BuildInfo build, OwnCost cost, RecentRecords recent, NamedRecords records, WantedRecords made)
{
    /// <summary>As the cluster calls it, if there is one.</summary>
    public string Name { get; } = PrintableText.Of(
        Environment.GetEnvironmentVariable("K8S_NODE_NAME") ?? Environment.GetEnvironmentVariable("NODE_NAME") ?? Environment.MachineName, 253);

    public BuildInfo Build => build;

    public IReadOnlyList<string> Missing => [.. health.Missing(), .. health.Silent()];

    public IReadOnlyList<ExportFailure> ExportFailures => failures.Read();

    public double? CpuShare => cost.CpuShare();

    /// <summary>Whether failures and detections are kept.</summary>
    public bool HasEvents => made >= WantedRecords.Trouble && recent.Limit > 0;

    /// <summary>Whether all records are: somebody else has to want them as well, a flow log or an OTLP receiver.</summary>
    public bool HasRecords => made == WantedRecords.All && recent.Limit > 0;

    public int RecordLimit => recent.Limit;

    public long EventCount => recent.EventCount;

    public IReadOnlyList<NamedRecord> Events(int limit) => records.Events(limit);

    public DateTime TimeOf(in FlowRecord record) => records.TimeOf(record);
}
