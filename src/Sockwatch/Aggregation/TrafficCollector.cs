using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;
using Sockwatch.Reader;

namespace Sockwatch.Aggregation;

/// <summary>
/// Reads the kernel's totals into a report: on a timer, and at a scrape that finds the last report too old. One collection
/// runs at a time and whoever waits for it shares it. A collection that fails leaves the last report in place; the next one
/// catches up, for the kernel's totals never go back.
/// </summary>
internal sealed partial class TrafficCollector(
    IKernelTotals kernel,
    TrafficTable table,
    LossLedger losses,
    CacheLedger caches,
    DnsLedger dns,
    HookState hooks,
    Health health,
    TimeProvider time,
    IOptions<CollectionOptions> options,
    ILogger<TrafficCollector> logger,
    ControlRefusals? refusals = null,
    ListStatus? lists = null) : BackgroundService, IReportSource
{
    private static readonly TimeSpan FreshFor = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim _collecting = new(1, 1);
    private volatile TrafficReport? _latest;
    private long _beganAt = long.MinValue;
    private long _endedAt = long.MinValue;
    private long _failures;
    private bool _isFailing;

    public TrafficReport? Latest => _latest;

    private TimeSpan Interval => options.Value.Interval;

    private bool IsFresh
    {
        get
        {
            var endedAt = Volatile.Read(ref _endedAt);
            return endedAt != long.MinValue && time.GetElapsedTime(endedAt) < FreshFor;
        }
    }

    public async ValueTask<TrafficReport> FreshAsync(CancellationToken cancellation)
    {
        var askedAt = time.GetTimestamp();
        if (!IsFresh)
        {
            // Who waited is content with whatever began meanwhile or has just ended, however long it took.
            // Reading takes tens of milliseconds and must not run on a caller who may only be waiting for somebody else's.
            await Task.Run(() => CollectAsync(() => !IsFresh && Volatile.Read(ref _beganAt) < askedAt, cancellation), cancellation).ConfigureAwait(false);
        }

        return _latest ?? TrafficReport.Empty;
    }

    public async ValueTask<TrafficReport> NowAsync(CancellationToken cancellation)
    {
        await Task.Run(() => CollectAsync(() => true, cancellation), cancellation).ConfigureAwait(false);
        return _latest ?? TrafficReport.Empty;
    }

    public override void Dispose()
    {
        _collecting.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        try
        {
            do
            {
                await CollectAsync(() => !IsFresh || Interval < FreshFor, stoppingToken).ConfigureAwait(false);
            }
            while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private async Task CollectAsync(Func<bool> isNeeded, CancellationToken cancellation)
    {
        await _collecting.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            if (isNeeded())
            {
                Collect();
            }
        }
        finally
        {
            _collecting.Release();
        }
    }

    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "Whatever went wrong, it is counted, shown and tried again.")]
    private void Collect()
    {
        Volatile.Write(ref _beganAt, time.GetTimestamp());
        try
        {
            _latest = Read();
            health.Met(Health.FirstDrain);
            if (_isFailing)
            {
                Log.Recovered(logger);
                _isFailing = false;
            }
        }
        catch (Exception failure)
        {
            _failures++;
            _latest = (_latest ?? TrafficReport.Empty) with { CollectionFailures = _failures, Losses = losses.Read() };
            health.NotMet(Health.FirstDrain, $"the kernel's totals cannot be read: {failure.Message}");
            if (!_isFailing)
            {
                Log.Failed(logger, PrintableText.Of(failure));
                _isFailing = true;
            }
        }

        // Last, for nobody waits once it is set. Failures too are shared for a second, or a broken kernel side would be asked
        // at every scrape.
        Volatile.Write(ref _endedAt, time.GetTimestamp());
        health.Beat("collection", Interval + TimeSpan.FromMinutes(1));
    }

    private TrafficReport Read()
    {
        var startedAt = time.GetTimestamp();
        var readAt = time.GetUtcNow();
        table.Begin();
        kernel.Flush();
        kernel.ReadEdges(table);
        table.Complete();

        var observed = kernel.ReadObserved();
        ReadLosses();
        RemoveIdleEdges();

        // A program that an interrupt finds running on its own CPU is skipped there: the kernel counts these.
        var programs = kernel.Programs();
        losses.Set(LossLedger.KernelStage, LossLedger.ProgramRecursion, programs.Sum(program => program.Missed));

        var series = table.Snapshot();
        return new TrafficReport
        {
            Time = readAt,
            Series = series,
            Budget = table.Budget(series),
            Observed = observed,
            Retired = table.Retired,
            RetiredTotals = table.RetiredTotals,
            Losses = losses.Read(),
            Hooks = hooks.Current,
            Maps = kernel.Maps(),
            Programs = programs,
            Caches = caches.Read(),
            Attributions = ReadAttributions(),
            DnsAnswers = dns.Read(),
            ControlRefusals = refusals?.Read() ?? [],
            Lists = lists?.Read() ?? default,
            Duration = time.GetElapsedTime(startedAt),
            CollectionFailures = _failures,
        };
    }

    private ImmutableArray<ulong> ReadAttributions()
    {
        var flows = new ulong[Enum.GetValues<FlowAttribution>().Length];
        kernel.ReadAttributions(flows);
        return ImmutableCollectionsMarshal.AsImmutableArray(flows);
    }

    private void ReadLosses()
    {
        Span<ulong> byReason = stackalloc ulong[LossReasons.Count];
        kernel.ReadLosses(byReason);
        for (var reason = 0; reason < byReason.Length; reason++)
        {
            losses.Set(LossLedger.KernelStage, ((LossReason)reason).Name(), (long)byReason[reason]);
        }
    }

    private void RemoveIdleEdges()
    {
        var idle = table.IdleEdges();
        if (idle.Count == 0)
        {
            return;
        }

        kernel.RemoveEdges(idle);
        foreach (var key in idle)
        {
            table.Forget(key);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Error, "The kernel's totals cannot be read, metrics stand still: {Reason}")]
        public static partial void Failed(ILogger logger, string reason);

        [LoggerMessage(LogLevel.Information, "The kernel's totals can be read again; nothing was missed")]
        public static partial void Recovered(ILogger logger);
    }
}
