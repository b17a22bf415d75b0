using Sockwatch.Aggregation;

namespace Sockwatch.Tests.Fakes;

/// <summary>A report that a test has made.</summary>
internal sealed class FixedReport(TrafficReport report) : IReportSource
{
    public TrafficReport? Latest { get; set; } = report;

    public ValueTask<TrafficReport> FreshAsync(CancellationToken cancellation) => new(Latest!);
}
