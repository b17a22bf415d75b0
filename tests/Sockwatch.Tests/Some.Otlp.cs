using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters;
using Sockwatch.Exporters.Otlp;
using Sockwatch.Kernel;
using Sockwatch.Tests.Exporters;
using Sockwatch.Tests.Fakes;

namespace Sockwatch.Tests;

/// <summary>OTLP exporters, as the agent would make them.</summary>
internal static partial class Some
{
    public static OtlpMetrics OtlpMetrics(OtlpOptions options, IReportSource? reports = null, ExportFailures? failures = null, ILogger<OtlpMetrics>? logger = null, TimeProvider? time = null, LossLedger? losses = null, StopDeadline? deadline = null) => new(
        reports ?? new FixedReport(TrafficReport.Empty),
        failures ?? new ExportFailures(),
        new BuildInfo("0.1.0", "6.18.0"),
        time ?? TimeProvider.System,
        Options.Create(options),
        new ConfigurationBuilder().Build(),
        logger ?? NullLogger<OtlpMetrics>.Instance,
        losses: losses,
        deadline: deadline);

    public static OtlpFlows OtlpFlows(OtlpOptions options, LossLedger? losses = null, ExportFailures? failures = null, ILogger<OtlpFlows>? logger = null, TimeProvider? time = null, IFlowNaming? naming = null, StopDeadline? deadline = null) => new(
        naming ?? new FakeNaming(),
        FlowLogSamples.Clock(),
        new FlowLogIdentity(new HostPaths()),
        losses ?? new LossLedger(),
        failures ?? new ExportFailures(),
        new BuildInfo("0.1.0", "6.18.0"),
        time ?? TimeProvider.System,
        Options.Create(options),
        new ConfigurationBuilder().Build(),
        logger ?? NullLogger<OtlpFlows>.Instance,
        deadline: deadline);

    public static async Task UntilAsync(Func<bool> condition, TimeSpan? limit = null)
    {
        var deadline = DateTime.UtcNow + (limit ?? TimeSpan.FromSeconds(20));
        while (!condition())
        {
            Assert.True(DateTime.UtcNow < deadline, "the condition was not met in time");
            await Task.Delay(10);
        }
    }
}
