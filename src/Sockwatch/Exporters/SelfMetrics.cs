using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters;

/// <summary>One value of a metric about the agent itself.</summary>
/// <param name="Attributes">In the order of the metric's.</param>
internal readonly record struct SelfSample(MetricDefinition Metric, double Value, string[] Attributes);

/// <summary>
/// What the agent says about itself, for every face. There from the first report, at 0, so that an alert never waits for a
/// series.
/// </summary>
internal sealed class SelfMetrics(BuildInfo build, ExportFailures failures, ScrapeCost scrapes, ApiLedger kubernetes, BackendLedger backends)
{
    public IEnumerable<SelfSample> Of(TrafficReport report)
    {
        foreach (var loss in report.Losses)
        {
            yield return new(MetricCatalogue.LostRecords, loss.Count, [loss.Stage, loss.Reason]);
        }

        foreach (var sample in Bytes(MetricCatalogue.ObservedBytes, report.Observed).Concat(Bytes(MetricCatalogue.SeriesRetired, report.Retired)))
        {
            yield return sample;
        }

        for (var attribution = 0; attribution < report.Attributions.Length; attribution++)
        {
            yield return new(MetricCatalogue.Attribution, report.Attributions[attribution], [((FlowAttribution)attribution).Name()]);
        }

        for (var outcome = 0; outcome < report.DnsAnswers.Length; outcome++)
        {
            yield return new(MetricCatalogue.DnsAnswers, report.DnsAnswers[outcome], [DnsLedger.Outcomes[outcome]]);
        }

        var questions = backends.Read();
        for (var outcome = 0; outcome < questions.Length; outcome++)
        {
            yield return new(MetricCatalogue.BackendQuestions, questions[outcome], [BackendLedger.Outcomes[outcome]]);
        }

        for (var index = 0; index < TrafficMetrics.Count; index++)
        {
            var metric = (TrafficMetric)index;
            string[] name = [MetricCatalogue.Of(metric).PrometheusName];
            yield return new(MetricCatalogue.Series, report.Budget.Series[index], name);
            yield return new(MetricCatalogue.SeriesLimit, report.Budget.LimitOf(metric), name);
            yield return new(MetricCatalogue.SeriesFolded, report.Budget.Folded[index], name);
        }

        foreach (var hook in report.Hooks)
        {
            yield return new(MetricCatalogue.HookInfo, 1, [hook.Operation, hook.Backend, hook.State]);
        }

        foreach (var program in report.Programs)
        {
            yield return new(MetricCatalogue.BpfProgramRun, program.RunTime.TotalSeconds, [program.Program]);
            yield return new(MetricCatalogue.BpfProgramRuns, program.Runs, [program.Program]);
        }

        foreach (var map in report.Maps)
        {
            yield return new(MetricCatalogue.BpfMapEntries, map.Entries, [map.Map]);
            yield return new(MetricCatalogue.BpfMapMaxEntries, map.MaxEntries, [map.Map]);
        }

        foreach (var failure in failures.Read())
        {
            yield return new(MetricCatalogue.ExportFailures, failure.Count, [failure.Exporter, failure.Reason]);
        }

        foreach (var cache in report.Caches)
        {
            yield return new(MetricCatalogue.NameCacheEvictions, cache.Evictions, [cache.Cache]);
        }

        foreach (var asked in kubernetes.Requests())
        {
            yield return new(MetricCatalogue.KubernetesRequests, asked.Count, [asked.Resource, asked.Verb, asked.Outcome]);
        }

        foreach (var restart in kubernetes.Restarts())
        {
            yield return new(MetricCatalogue.KubernetesWatchRestarts, restart.Count, [restart.Resource, restart.Reason]);
        }

        foreach (var followed in kubernetes.Followed())
        {
            yield return new(MetricCatalogue.KubernetesObjects, followed.Count, [followed.Resource]);
            yield return new(MetricCatalogue.KubernetesCurrent, followed.IsCurrent ? 1 : 0, [followed.Resource]);
        }

        foreach (var refusal in report.ControlRefusals)
        {
            yield return new(MetricCatalogue.ControlRefusals, refusal.Count, [refusal.Reason]);
        }

        yield return new(MetricCatalogue.VerdictEntries, report.Lists.FromFiles, ["file"]);
        yield return new(MetricCatalogue.VerdictEntries, report.Lists.Added, ["added"]);
        yield return new(MetricCatalogue.VerdictsTimestamp, report.Lists.Since is { } since ? since.ToUnixTimeMilliseconds() / 1e3 : 0, []);
        yield return new(MetricCatalogue.CollectionDuration, report.Duration.TotalSeconds, []);
        yield return new(MetricCatalogue.CollectionTimestamp, report.Time == default ? 0 : report.Time.ToUnixTimeMilliseconds() / 1e3, []);
        yield return new(MetricCatalogue.CollectionFailures, report.CollectionFailures, []);
        var scrape = scrapes.Last;
        yield return new(MetricCatalogue.ScrapeDuration, scrape.Duration.TotalSeconds, []);
        yield return new(MetricCatalogue.ScrapeSize, scrape.Bytes, []);
        yield return new(MetricCatalogue.ScrapeSeries, scrape.Series, []);
        yield return new(MetricCatalogue.ProcessResidentMemory, Environment.WorkingSet, []);
        yield return new(MetricCatalogue.ProcessCpu, Environment.CpuUsage.TotalTime.TotalSeconds, []);
        yield return new(MetricCatalogue.ProcessAllocated, GC.GetTotalAllocatedBytes(), []);
        yield return new(MetricCatalogue.BuildInfo, 1, [build.Version, build.Kernel]);
    }

    private static IEnumerable<SelfSample> Bytes(MetricDefinition metric, ObservedBytes bytes) =>
    [
        new(metric, bytes.Transmitted, [TrafficPoint.Transmit]),
        new(metric, bytes.Received, [TrafficPoint.Receive]),
    ];
}
