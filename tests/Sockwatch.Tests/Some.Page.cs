using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters;
using Sockwatch.Exporters.Page;
using Sockwatch.Kernel;
using Sockwatch.Tests.Exporters;

namespace Sockwatch.Tests;

/// <summary>What the listener serves, over the stages that a test gives it.</summary>
internal static partial class Some
{
    public static AgentPages AgentPages(
        IReportSource reports,
        PrometheusExporter prometheus,
        Health? health = null,
        ExportFailures? failures = null,
        TimeProvider? time = null,
        RecentRecords? recent = null,
        IFlowNaming? naming = null,
        HttpOptions? options = null,
        WantedRecords made = WantedRecords.All,
        TimeSpan? sendLimit = null,
        long? maxBytes = null)
    {
        time ??= TimeProvider.System;
        health ??= new Health(time);
        failures ??= new ExportFailures();
        recent ??= RecentRecords();
        var records = NamedRecords(recent, naming);
        var node = new PageNode(health, failures, new BuildInfo("0.1.0", "6.18.0"), new OwnCost(time), recent, records, made);
        var traffic = new LiveTraffic(reports, time);
        var page = new LocalPage(
            traffic, new PageApi(records, node, time), node, failures,
            Options.Create(options ?? new HttpOptions()), NullLogger<LocalPage>.Instance);
        return new AgentPages(reports, prometheus, health, failures, page, NullLogger<AgentPages>.Instance, sendLimit, maxBytes);
    }

    public static RecentRecords RecentRecords(int limit = 500, CacheLedger? caches = null) =>
        new(Options.Create(new HttpOptions { RecentRecords = limit }), caches ?? new CacheLedger());

    public static NamedRecords NamedRecords(RecentRecords recent, IFlowNaming? naming = null) => new(
        recent, naming ?? new FakeNaming(), FlowLogSamples.Clock(), new FlowLogIdentity(new HostPaths()), Options.Create(new AggregationOptions()));
}
