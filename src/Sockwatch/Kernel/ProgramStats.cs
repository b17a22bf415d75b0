using System.Runtime.InteropServices;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Sockwatch.Bpf;
using Sockwatch.Diagnostics;

namespace Sockwatch.Kernel;

/// <summary>
/// What the programs cost, by the kernel's own clock. Having it measured slows every socket operation a little, so by
/// default it is switched on for one second of every minute and the numbers are scaled up: means are exact, totals an estimate.
/// </summary>
internal sealed class ProgramStats(KernelPrograms programs, IOptions<DiagnosticsOptions> options, TimeProvider time) : BackgroundService
{
    private static readonly TimeSpan Sample = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Period = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Measure> _scaled = [];
    private readonly Dictionary<string, Measure> _last = [];

    /// <summary>Since the programs were loaded.</summary>
    public IReadOnlyList<(string Program, TimeSpan RunTime, long Runs, long Missed)> Read()
    {
        var isSampled = options.Value.ProgramStats == ProgramStatsMode.Sampled;
        lock (_lock)
        {
            return
            [
                .. programs.Object.Programs.Where(program => program.Fd >= 0).Select(program =>
                {
                    var info = program.Info();
                    var measure = isSampled ? _scaled.GetValueOrDefault(program.Name) : new Measure((double)info.RunTimeNs, (double)info.RunCount);
                    return (program.Name, TimeSpan.FromMicroseconds(measure.Nanoseconds / 1000), (long)measure.Runs, (long)info.RecursionMisses);
                }),
            ];
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (options.Value.ProgramStats == ProgramStatsMode.Off)
        {
            return;
        }

        try
        {
            while (true)
            {
                using (TryEnable())
                {
                    await Task.Delay(options.Value.ProgramStats == ProgramStatsMode.On ? Timeout.InfiniteTimeSpan : Sample, time, stoppingToken).ConfigureAwait(false);
                }

                AddSample();
                await Task.Delay(Period - Sample, time, stoppingToken).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private static SafeHandle? TryEnable()
    {
        try
        {
            return BpfStats.Enable();
        }
        catch (BpfException)
        {
            // Needs CAP_SYS_ADMIN, which the agent otherwise does without. The numbers stay as they are.
            return null;
        }
    }

    private void AddSample()
    {
        lock (_lock)
        {
            foreach (var program in programs.Object.Programs.Where(program => program.Fd >= 0))
            {
                var info = program.Info();
                var now = new Measure(info.RunTimeNs, info.RunCount);
                var last = _last.GetValueOrDefault(program.Name);
                var scaled = _scaled.GetValueOrDefault(program.Name);
                var factor = Period / Sample;
                _scaled[program.Name] = new Measure(
                    scaled.Nanoseconds + ((now.Nanoseconds - last.Nanoseconds) * factor),
                    scaled.Runs + ((now.Runs - last.Runs) * factor));
                _last[program.Name] = now;
            }
        }
    }

    private readonly record struct Measure(double Nanoseconds, double Runs);
}
