using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters.Otlp;

/// <summary>
/// Pushes the report every so often, on a thread of its own: what the receiver does or does not do holds up nobody. What could
/// not be delivered is in the next request: totals because they are totals, differences because they are kept until they are.
/// </summary>
internal sealed partial class OtlpMetrics : IHostedService, IDisposable
{
    public const string Scope = "sockwatch";

    // Receivers of gRPC take 4 MiB unless told otherwise; one series more than this many bytes does not reach that.
    private const int RequestBytes = 2 * 1024 * 1024;

    private readonly IReportSource _reports;
    private readonly StopDeadline _deadline;
    private readonly TimeSpan _interval;
    private readonly TimeProvider _time;
    private readonly ILogger<OtlpMetrics> _logger;
    private readonly OtlpDelivery _delivery;
    private readonly OtlpMetricRequest _request;
    private readonly SelfMetrics _self;
    private readonly DateTimeOffset _startedAt;
    private readonly OtlpGrowth? _growth;
    private readonly OtlpDepartures _departures = new();
    private readonly List<(TrafficSeries Now, TrafficSeries? Growth)> _written = [];
    private readonly List<SelfSample> _writtenSelf = [];
    private readonly List<TrafficSeries> _ended = [];
    private readonly List<SelfSample> _endedSelf = [];
    private readonly CancellationTokenSource _stopping = new();
    private Task _pushing = Task.CompletedTask;

    // Of the requests of one push.
    private OtlpOutcome _worst = OtlpOutcome.Delivered;

    // Points, in requests that the receiver took without them.
    private long _rejected;

    public OtlpMetrics(
        IReportSource reports,
        ExportFailures failures,
        BuildInfo build,
        TimeProvider time,
        IOptions<OtlpOptions> options,
        IConfiguration configuration,
        ILogger<OtlpMetrics> logger,
        ScrapeCost? scrapes = null,
        IOptions<AggregationOptions>? aggregation = null,
        ApiLedger? kubernetes = null,
        LossLedger? losses = null,
        StopDeadline? deadline = null,
        BackendLedger? backends = null)
    {
        _reports = reports;
        _deadline = deadline ?? new StopDeadline();
        _interval = options.Value.Interval;
        _time = time;
        _logger = logger;
        _startedAt = time.GetUtcNow();
        _delivery = new OtlpDelivery(OtlpSettings.Of(OtlpSignal.Metrics, options.Value, configuration), failures, logger);
        _self = new SelfMetrics(build, failures, scrapes ?? new ScrapeCost(), kubernetes ?? new ApiLedger(), backends ?? new BackendLedger());
        _growth = options.Value.Temporality == OtlpTemporality.Delta ? new OtlpGrowth(_startedAt) : null;
        _request = new OtlpMetricRequest(
            OtlpSettings.Resource(options.Value, build, Environment.GetEnvironmentVariable).Build().Attributes,
            Scope,
            BuildInfo.Current.Version,
            new EdgeLabels(aggregation?.Value ?? new AggregationOptions()),
            options.Value.Temporality);
        losses?.Follow(LossLedger.OtlpMetricsStage, LossLedger.Rejected, () => Interlocked.Read(ref _rejected));
    }

    /// <summary>How many series are remembered between two pushes.</summary>
    internal int Remembered => Math.Max(_growth?.Count ?? 0, _departures.Count);

    public Task StartAsync(CancellationToken cancellationToken)
    {
        // Requests block, so this owns a thread instead of starving the pool.
        _pushing = Task.Factory.StartNew(PushUntilStopped, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await Task.WhenAny(_pushing, Task.Delay(_deadline.Patience(StopDeadline.AfterMetrics), cancellationToken)).ConfigureAwait(false);
        _delivery.Dispose();
    }

    public void Dispose()
    {
        _delivery.Dispose();
        _stopping.Dispose();
    }

    /// <summary>One push, in as many requests as it takes.</summary>
    internal OtlpOutcome Push(TrafficReport report)
    {
        _worst = OtlpOutcome.Delivered;
        var outcome = PushAll(report);
        _delivery.Tell(_worst);
        return outcome;
    }

    private OtlpOutcome PushAll(TrafficReport report)
    {
        var at = report.Time > _startedAt ? report.Time : _time.GetUtcNow();
        _growth?.Begin(report);
        _departures.Begin();
        Begin();
        WriteSelf(report, at);
        foreach (var series in report.Series)
        {
            if (_growth is null)
            {
                Write(series, at);
            }
            else if (series.Attributes != EdgeAttributes.Overflow)
            {
                WriteGrowth(series, at);
            }

            if (SendIfFull(at) is { } failed)
            {
                return failed;
            }
        }

        if (WriteDepartures(report, at) is { } failedAfter)
        {
            return failedAfter;
        }

        WriteBalance(report, at);
        var outcome = Send(at);
        if (_growth is not null && outcome.WasTaken)
        {
            _growth.SentBalance(at);
        }

        return outcome;
    }

    private void Begin()
    {
        _request.Clear();
        _written.Clear();
        _writtenSelf.Clear();
        _ended.Clear();
        _endedSelf.Clear();
    }

    private void WriteSelf(TrafficReport report, DateTimeOffset at)
    {
        _request.BeginSelf();
        foreach (var sample in _self.Of(report))
        {
            var (value, start) = (sample.Value, _startedAt);
            if (_growth is not null && sample.Metric.Kind == MetricKind.Counter)
            {
                (value, start) = _growth.OfSelf(sample);
            }

            _departures.SeenSelf(sample);
            _writtenSelf.Add(sample);
            _request.Number(sample.Metric, value, start, at, sample.Attributes);
        }

        foreach (var gone in _departures.GoneSelf())
        {
            _request.End(gone.Metric, _startedAt, at, gone.Attributes);
            _endedSelf.Add(gone);
        }
    }

    private void Write(TrafficSeries series, DateTimeOffset at)
    {
        _request.BeginEdge(series.Attributes);
        var writer = new PointWriter(_request, series.StartedAt, at, Counts: true, Levels: true);
        series.Visit(ref writer);
        EndWhatWasLost(series, at);
        _written.Add((series, null));
    }

    private void WriteGrowth(TrafficSeries series, DateTimeOffset at)
    {
        _request.BeginEdge(series.Attributes);
        var growth = _growth!.Of(series);
        if (growth is { } found)
        {
            var writer = new PointWriter(_request, metric => found.Since ?? series.StartedAt(metric), at, Counts: true, Levels: false);
            found.Growth.Visit(ref writer);
        }

        var levels = new PointWriter(_request, series.StartedAt, at, Counts: false, Levels: true);
        series.Visit(ref levels);
        EndWhatWasLost(series, at);
        _written.Add((series, growth?.Growth));
    }

    private void EndWhatWasLost(TrafficSeries series, DateTimeOffset at)
    {
        if (_departures.Seen(series) is { } before)
        {
            // Differences have no end: nobody looks back for one.
            var end = new EndWriter(_request, before, series, at, onlyLevels: _growth is not null);
            before.Visit(ref end);
        }
    }

    /// <summary>An outcome when it failed and the rest would too.</summary>
    private OtlpOutcome? WriteDepartures(TrafficReport report, DateTimeOffset at)
    {
        var gone = _departures.Gone();
        if (gone.Count == 0)
        {
            return null;
        }

        // One that left and came back since the last push has another id and the same attributes.
        var present = report.Series.ToDictionary(series => series.Attributes);
        foreach (var series in gone)
        {
            _request.BeginEdge(series.Attributes);
            var end = new EndWriter(_request, series, present.GetValueOrDefault(series.Attributes), at, onlyLevels: _growth is not null);
            series.Visit(ref end);
            _ended.Add(series);
            if (SendIfFull(at) is { } failed)
            {
                return failed;
            }
        }

        return null;
    }

    /// <summary>An outcome when it failed in a way that the rest would as well, and take as long again.</summary>
    private OtlpOutcome? SendIfFull(DateTimeOffset at) =>
        _request.Size >= RequestBytes && Send(at) is { IsRetryable: true } failed ? failed : null;

    private void WriteBalance(TrafficReport report, DateTimeOffset at)
    {
        if (_growth is null)
        {
            return;
        }

        _request.BeginEdge(EdgeAttributes.Overflow);
        var (growth, since) = _growth.Balance();
        var writer = new PointWriter(_request, _ => since, at, Counts: true, Levels: false);
        growth.Visit(ref writer);
        foreach (var series in report.Series)
        {
            if (series.Attributes == EdgeAttributes.Overflow)
            {
                var levels = new PointWriter(_request, series.StartedAt, at, Counts: false, Levels: true);
                series.Visit(ref levels);
            }
        }
    }

    private OtlpOutcome Send(DateTimeOffset at)
    {
        // Once more if the connection broke, most often one that the receiver closed for being idle just when it was taken up
        // again. A request that arrived all the same is repeated then, which does no harm to totals.
        var outcome = _delivery.Send(_request.Complete(), mayRepeat: _growth is null);
        _worst = OtlpOutcome.Worse(_worst, outcome);
        if (outcome.WasTaken)
        {
            Interlocked.Add(ref _rejected, outcome.Rejected);
            Remember(at);
        }

        Begin();
        return outcome;
    }

    private void Remember(DateTimeOffset at)
    {
        foreach (var (now, growth) in _written)
        {
            _growth?.Sent(now, growth, at);
            _departures.Told(now);
        }

        foreach (var sample in _writtenSelf)
        {
            if (sample.Metric.Kind == MetricKind.Counter)
            {
                _growth?.SentSelf(sample, at);
            }
            else
            {
                _departures.ToldSelf(sample);
            }
        }

        _ended.ForEach(_departures.ToldEnd);
        _endedSelf.ForEach(sample => _departures.ToldEndSelf(sample));
    }

    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "An exporter that fails stops nobody else.")]
    private void PushUntilStopped()
    {
        var stopping = _stopping.Token;
        var isFailing = false;
        var wait = _interval;
        while (true)
        {
            var ended = Wait(wait, stopping);
            wait = _interval;
            try
            {
                // The last push is of all there ever was: exporters stop first, so the kernel is still there to be read.
                var report = ended ? _reports.NowAsync(CancellationToken.None) : _reports.FreshAsync(stopping);
                var outcome = Push(report.AsTask().GetAwaiter().GetResult());
                wait = outcome.RetryAfter is { } asked && asked > _interval ? asked : _interval;
                isFailing = false;
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested && !ended)
            {
                // Told to stop while it waited for a report; the last one comes next.
            }
            catch (Exception failure)
            {
                if (!isFailing)
                {
                    Log.Broken(_logger, PrintableText.Of(failure));
                }

                isFailing = true;
            }

            if (ended)
            {
                return;
            }
        }
    }

    /// <summary>True when it was time to stop before.</summary>
    private bool Wait(TimeSpan time, CancellationToken stopping)
    {
        try
        {
            Task.Delay(time, _time, stopping).GetAwaiter().GetResult();
            return false;
        }
        catch (OperationCanceledException)
        {
            return true;
        }
    }

    /// <summary>Writes the points of a series: its counts and histograms, its levels, or both.</summary>
    private readonly record struct PointWriter(
        OtlpMetricRequest Request, Func<TrafficMetric, DateTimeOffset> Start, DateTimeOffset At, bool Counts, bool Levels) : ITrafficPoints
    {
        public void Count(TrafficMetric metric, ulong total, string first, string second)
        {
            if (Counts)
            {
                Request.Whole(MetricCatalogue.Of(metric), unchecked((long)total), Start(metric), At, first, second);
            }
        }

        public void Level(TrafficMetric metric, long now)
        {
            if (Levels)
            {
                Request.Whole(MetricCatalogue.Of(metric), now, Start(metric), At);
            }
        }

        public void Time(TrafficMetric metric, in Latency total, string first)
        {
            if (Counts)
            {
                Request.Histogram(MetricCatalogue.Of(metric), total, Start(metric), At, first);
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Error, "Metrics cannot be pushed: {Reason}")]
        public static partial void Broken(ILogger logger, string reason);
    }
}
