using Prometheus;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters;

/// <summary>What the agent says about itself. There from the first scrape, at 0, so that an alert never waits for a series.</summary>
internal sealed class PrometheusSelf
{
    private readonly ExportFailures _exportFailures;
    private readonly Counter _lostRecords;
    private readonly Counter _observedBytes;
    private readonly Counter _retiredBytes;
    private readonly Gauge _series;
    private readonly Gauge _seriesLimit;
    private readonly Counter _seriesFolded;
    private readonly Gauge _hookInfo;
    private readonly Counter _programRun;
    private readonly Counter _programRuns;
    private readonly Gauge _mapEntries;
    private readonly Gauge _mapMaxEntries;
    private readonly Counter _exportFailuresTotal;
    private readonly Counter _cacheEvictions;
    private readonly Gauge _collectionDuration;
    private readonly Gauge _collectionTimestamp;
    private readonly Counter _collectionFailures;
    private readonly Gauge _residentMemory;
    private readonly Counter _cpu;
    private IReadOnlyList<HookReport> _hooks = [];

    public PrometheusSelf(PrometheusFamilies families, BuildInfo build, ExportFailures exportFailures)
    {
        _exportFailures = exportFailures;
        _lostRecords = families.Counter(MetricCatalogue.LostRecords);
        _observedBytes = families.Counter(MetricCatalogue.ObservedBytes);
        _retiredBytes = families.Counter(MetricCatalogue.SeriesRetired);
        _series = families.Gauge(MetricCatalogue.Series);
        _seriesLimit = families.Gauge(MetricCatalogue.SeriesLimit);
        _seriesFolded = families.Counter(MetricCatalogue.SeriesFolded);
        _hookInfo = families.Gauge(MetricCatalogue.HookInfo);
        _programRun = families.Counter(MetricCatalogue.BpfProgramRun);
        _programRuns = families.Counter(MetricCatalogue.BpfProgramRuns);
        _mapEntries = families.Gauge(MetricCatalogue.BpfMapEntries);
        _mapMaxEntries = families.Gauge(MetricCatalogue.BpfMapMaxEntries);
        _exportFailuresTotal = families.Counter(MetricCatalogue.ExportFailures);
        _cacheEvictions = families.Counter(MetricCatalogue.NameCacheEvictions);
        _collectionDuration = families.Gauge(MetricCatalogue.CollectionDuration);
        _collectionTimestamp = families.Gauge(MetricCatalogue.CollectionTimestamp);
        _collectionFailures = families.Counter(MetricCatalogue.CollectionFailures);
        _residentMemory = families.Gauge(MetricCatalogue.ProcessResidentMemory);
        _cpu = families.Counter(MetricCatalogue.ProcessCpu);
        families.Gauge(MetricCatalogue.BuildInfo).WithLabels(build.Version, build.Kernel).Set(1);
    }

    public void Publish(TrafficReport report)
    {
        foreach (var loss in report.Losses)
        {
            _lostRecords.WithLabels(loss.Stage, loss.Reason).IncTo(loss.Count);
        }

        PublishBytes(_observedBytes, report.Observed);
        PublishBytes(_retiredBytes, report.Retired);
        PublishBudget(report.Budget);
        PublishHooks(report.Hooks);
        PublishKernelCost(report);
        foreach (var failure in _exportFailures.Read())
        {
            _exportFailuresTotal.WithLabels(failure.Exporter, failure.Reason).IncTo(failure.Count);
        }

        foreach (var cache in report.Caches)
        {
            _cacheEvictions.WithLabels(cache.Cache).IncTo(cache.Evictions);
        }

        _collectionDuration.Set(report.Duration.TotalSeconds);
        _collectionTimestamp.Set(report.Time == default ? 0 : report.Time.ToUnixTimeMilliseconds() / 1e3);
        _collectionFailures.IncTo(report.CollectionFailures);
        _residentMemory.Set(Environment.WorkingSet);
        _cpu.IncTo(Environment.CpuUsage.TotalTime.TotalSeconds);
    }

    private static void PublishBytes(Counter counter, in ObservedBytes bytes)
    {
        counter.WithLabels(MetricCatalogue.Transmit).IncTo(bytes.Transmitted);
        counter.WithLabels(MetricCatalogue.Receive).IncTo(bytes.Received);
    }

    private void PublishBudget(SeriesBudget budget)
    {
        for (var metric = 0; metric < TrafficMetrics.Count; metric++)
        {
            var name = MetricCatalogue.Of((TrafficMetric)metric).PrometheusName;
            _series.WithLabels(name).Set(budget.Series[metric]);
            _seriesLimit.WithLabels(name).Set(budget.Limit);
            _seriesFolded.WithLabels(name).IncTo(budget.Folded[metric]);
        }
    }

    private void PublishHooks(IReadOnlyList<HookReport> hooks)
    {
        if (ReferenceEquals(hooks, _hooks))
        {
            return;
        }

        foreach (var hook in _hooks.Except(hooks))
        {
            _hookInfo.RemoveLabelled(hook.Operation, hook.Backend, hook.State);
        }

        foreach (var hook in hooks)
        {
            _hookInfo.WithLabels(hook.Operation, hook.Backend, hook.State).Set(1);
        }

        _hooks = hooks;
    }

    private void PublishKernelCost(TrafficReport report)
    {
        foreach (var program in report.Programs)
        {
            _programRun.WithLabels(program.Program).IncTo(program.RunTime.TotalSeconds);
            _programRuns.WithLabels(program.Program).IncTo(program.Runs);
        }

        foreach (var map in report.Maps)
        {
            _mapEntries.WithLabels(map.Map).Set(map.Entries);
            _mapMaxEntries.WithLabels(map.Map).Set(map.MaxEntries);
        }
    }
}
