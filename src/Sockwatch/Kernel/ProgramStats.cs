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
    // enum turned_away of bpf/socket_state.h.
    private const uint ChangesMissed = 0;
    private const uint EndsRescued = 1;
    private const uint ResetsSentRescued = 2;
    private const uint ResetsReceivedRescued = 3;

    private static readonly TimeSpan Sample = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Period = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Measure> _scaled = [];
    private readonly Dictionary<string, Measure> _last = [];

    /// <summary>Since the programs were loaded.</summary>
    public IReadOnlyList<(string Program, TimeSpan RunTime, long Runs, long TurnedAway, long Missed)> Read()
    {
        var isSampled = options.Value.ProgramStats == ProgramStatsMode.Sampled;
        using var steadily = programs.Steadily.Begin();
        lock (_lock)
        {
            return
            [
                .. programs.Object.Programs.Where(program => program.Fd >= 0).Select(program =>
                {
                    var info = program.Info();
                    var measure = isSampled ? _scaled.GetValueOrDefault(program.Name) : new Measure((double)info.RunTimeNs, (double)info.RunCount);
                    var turnedAway = (long)info.RecursionMisses;
                    return (program.Name, TimeSpan.FromMicroseconds(measure.Nanoseconds / 1000), (long)measure.Runs, turnedAway, Missed(program.Name, turnedAway));
                }),
            ];
        }
    }

    /// <summary>What nobody saw: a deputy that is kept from a program's work has missed something only where the program was as well.</summary>
    private long Missed(string program, long turnedAway)
    {
        switch (program)
        {
            case "sw_state" or "sw_kprobe_state" when TurnedAway("sw_state_deputy") is { } deputy:
                return Math.Min(OfTurnedAway(ChangesMissed), Math.Min(turnedAway, deputy));
            case "sw_kprobe_listen4" or "sw_kprobe_listen6" when TurnedAway("sw_state_deputy") is { } deputy:
                return Math.Min(turnedAway, deputy);
            case "sw_destroy" or "sw_kprobe_destroy" when TurnedAway("sw_destroy_deputy") is { } deputy:
                return Math.Clamp(turnedAway - OfTurnedAway(EndsRescued), 0, deputy);
            case "sw_reset_sent" when TurnedAway("sw_reset_sent_deputy") is { } deputy:
                return Math.Clamp(turnedAway - OfTurnedAway(ResetsSentRescued), 0, deputy);
            case "sw_reset_received" when TurnedAway("sw_reset_received_deputy") is { } deputy:
                return Math.Clamp(turnedAway - OfTurnedAway(ResetsReceivedRescued), 0, deputy);
            // Of a process that is not forgotten, the next one with its number is told apart by when it began.
            case "sw_state_deputy" or "sw_destroy_deputy" or "sw_reset_sent_deputy" or "sw_reset_received_deputy" or "sw_exit":
                return 0;
            default:
                return turnedAway;
        }
    }

    private long OfTurnedAway(uint what)
    {
        programs.Object.Map<uint, ulong>("turned_away").TryLookup(what, out var count);
        return (long)count;
    }

    /// <summary>Null when the deputy is not at work here.</summary>
    private long? TurnedAway(string deputy)
    {
        var program = programs.Object.Program(deputy);
        return program.Fd >= 0 ? (long)program.Info().RecursionMisses : null;
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
