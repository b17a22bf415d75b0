using System.Diagnostics.Metrics;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;

namespace Sockwatch.Exporters.Otlp;

/// <summary>What the agent says about itself, from the report that is sent.</summary>
internal sealed class OtlpSelf
{
    private readonly Meter _meter;
    private readonly ExportFailures _failures;
    private readonly BuildInfo _build;

    public OtlpSelf(Meter meter, ExportFailures failures, BuildInfo build)
    {
        _meter = meter;
        _failures = failures;
        _build = build;
        Whole(MetricCatalogue.LostRecords, () => Report.Losses.Select(loss => Value(loss.Count, MetricCatalogue.LostRecords, loss.Stage, loss.Reason)));
        Whole(MetricCatalogue.ObservedBytes, () => Bytes(MetricCatalogue.ObservedBytes, Report.Observed));
        Whole(MetricCatalogue.SeriesRetired, () => Bytes(MetricCatalogue.SeriesRetired, Report.Retired));
        Whole(MetricCatalogue.Series, () => Budget(MetricCatalogue.Series, metric => Report.Budget.Series[metric]));
        Whole(MetricCatalogue.SeriesLimit, () => Budget(MetricCatalogue.SeriesLimit, _ => Report.Budget.Limit));
        Whole(MetricCatalogue.SeriesFolded, () => Budget(MetricCatalogue.SeriesFolded, metric => Report.Budget.Folded[metric]));
        Whole(MetricCatalogue.HookInfo, () => Report.Hooks.Select(hook => Value(1L, MetricCatalogue.HookInfo, hook.Operation, hook.Backend, hook.State)));
        Real(MetricCatalogue.BpfProgramRun, () => Report.Programs.Select(program => Value(program.RunTime.TotalSeconds, MetricCatalogue.BpfProgramRun, program.Program)));
        Whole(MetricCatalogue.BpfProgramRuns, () => Report.Programs.Select(program => Value((long)program.Runs, MetricCatalogue.BpfProgramRuns, program.Program)));
        Whole(MetricCatalogue.BpfMapEntries, () => Report.Maps.Select(map => Value((long)map.Entries, MetricCatalogue.BpfMapEntries, map.Map)));
        Whole(MetricCatalogue.BpfMapMaxEntries, () => Report.Maps.Select(map => Value((long)map.MaxEntries, MetricCatalogue.BpfMapMaxEntries, map.Map)));
        Whole(MetricCatalogue.ExportFailures, () => _failures.Read().Select(failure => Value(failure.Count, MetricCatalogue.ExportFailures, failure.Exporter, failure.Reason)));
        Whole(MetricCatalogue.NameCacheEvictions, () => Report.Caches.Select(cache => Value(cache.Evictions, MetricCatalogue.NameCacheEvictions, cache.Cache)));
        Real(MetricCatalogue.CollectionDuration, () => [Value(Report.Duration.TotalSeconds, MetricCatalogue.CollectionDuration)]);
        Real(MetricCatalogue.CollectionTimestamp, () => [Value(Report.Time == default ? 0 : Report.Time.ToUnixTimeMilliseconds() / 1e3, MetricCatalogue.CollectionTimestamp)]);
        Whole(MetricCatalogue.CollectionFailures, () => [Value(Report.CollectionFailures, MetricCatalogue.CollectionFailures)]);
        Whole(MetricCatalogue.ProcessResidentMemory, () => [Value(Environment.WorkingSet, MetricCatalogue.ProcessResidentMemory)]);
        Real(MetricCatalogue.ProcessCpu, () => [Value(Environment.CpuUsage.TotalTime.TotalSeconds, MetricCatalogue.ProcessCpu)]);
        Whole(MetricCatalogue.BuildInfo, () => [Value(1L, MetricCatalogue.BuildInfo, _build.Version, _build.Kernel)]);
    }

    public TrafficReport Report { get; set; } = TrafficReport.Empty;

    private void Whole(MetricDefinition metric, Func<IEnumerable<Measurement<long>>> values) => Observe(metric, values);

    private void Real(MetricDefinition metric, Func<IEnumerable<Measurement<double>>> values) => Observe(metric, values);

    private void Observe<T>(MetricDefinition metric, Func<IEnumerable<Measurement<T>>> values)
        where T : struct
    {
        if (metric.Kind == MetricKind.Counter)
        {
            _meter.CreateObservableCounter(metric.Name, values, metric.Unit, metric.Help);
        }
        else
        {
            _meter.CreateObservableGauge(metric.Name, values, metric.Unit, metric.Help);
        }
    }

    private static IEnumerable<Measurement<long>> Bytes(MetricDefinition metric, Kernel.ObservedBytes bytes) =>
        [Value((long)bytes.Transmitted, metric, MetricCatalogue.Transmit), Value((long)bytes.Received, metric, MetricCatalogue.Receive)];

    private static IEnumerable<Measurement<long>> Budget(MetricDefinition definition, Func<int, long> count) =>
        Enumerable.Range(0, TrafficMetrics.Count)
            .Select(metric => Value(count(metric), definition, MetricCatalogue.Of((TrafficMetric)metric).PrometheusName));

    private static Measurement<T> Value<T>(T value, MetricDefinition metric, params ReadOnlySpan<string> attributes)
        where T : struct
    {
        var tags = new KeyValuePair<string, object?>[attributes.Length];
        for (var i = 0; i < tags.Length; i++)
        {
            tags[i] = new(metric.Attributes[i], attributes[i]);
        }

        return new Measurement<T>(value, tags.AsSpan());
    }
}
