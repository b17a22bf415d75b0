using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Sockwatch.Bpf;
using Sockwatch.Diagnostics;

namespace Sockwatch.Kernel;

/// <summary>
/// Looks after the hooks while the agent runs: one that is lost is attached again, else the next best way takes over, else the agent
/// says what it is blind to until the hook is back.
/// </summary>
internal sealed partial class HookWatch(
    KernelPrograms programs, ProgramLoader loader, HookState hooks, Health health, TimeProvider time, ILogger<HookWatch> logger) : BackgroundService
{
    internal static readonly TimeSpan Period = TimeSpan.FromSeconds(2);

    // By program: the hooks that are gone, and why they could not be put back.
    private readonly Dictionary<string, (HookProgram Hook, string Reason)> _blind = [];

    /// <summary>What sockwatch_hook_info says of them.</summary>
    /// <param name="gone">Programs that were attached and could not be put back.</param>
    public static IReadOnlyList<HookReport> Report(IEnumerable<HookOutcome> outcomes, IReadOnlyCollection<string> gone) =>
    [
        .. outcomes
            .GroupBy(outcome => (outcome.Hook.Operation, outcome.Hook.Backend))
            .Select(group => new HookReport(group.Key.Operation, group.Key.Backend.Name(), State(group, gone))),
    ];

    private static string State(IEnumerable<HookOutcome> outcomes, IReadOnlyCollection<string> gone)
    {
        var state = HookReport.Attached;
        foreach (var (hook, reason) in outcomes)
        {
            var isGone = gone.Contains(hook.Program);
            if (isGone && HookGroup.IsNeeded(hook))
            {
                return HookReport.Lost;
            }

            if (isGone || reason is not null)
            {
                state = HookReport.Missing;
            }
        }

        return state;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Period, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false))
            {
                Look();
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private void Look()
    {
        var lost = programs.FindLost();
        var newlyBlind = new List<(HookProgram Hook, string Reason)>();
        foreach (var (hook, reason) in lost)
        {
            if (Mend(hook, reason) is { } failure && _blind.TryAdd(hook.Program, (hook, failure)))
            {
                newlyBlind.Add((hook, failure));
            }
        }

        var back = _blind.Values.Where(blind => lost.All(one => one.Hook.Program != blind.Hook.Program)).Select(blind => blind.Hook).ToList();
        back.ForEach(hook => _blind.Remove(hook.Program));

        // One line an operation: what switches one hook off switches many off.
        foreach (var operation in newlyBlind.GroupBy(blind => (blind.Hook.Operation, blind.Hook.Backend, blind.Reason)))
        {
            Log.Blind(
                logger, operation.Key.Operation, operation.Key.Backend.Name(), operation.Key.Reason,
                string.Join("; ", operation.Select(blind => blind.Hook.Without).Distinct()));
        }

        foreach (var operation in back.Select(hook => (hook.Operation, hook.Backend)).Distinct())
        {
            Log.Back(logger, operation.Operation, operation.Backend.Name());
        }

        if (lost.Count > 0 || back.Count > 0)
        {
            Tell();
        }
    }

    /// <returns>Why the hook is gone for now; null when it is back, or when something else observes what it did.</returns>
    private string? Mend(HookProgram hook, Refusal reason)
    {
        // Another one of the same way was found lost just before, and another way has taken over for all of them.
        if (programs.Plan.Choices.FirstOrDefault(choice => choice.Way?.Programs.Any(one => one.Program == hook.Program) == true) is not { } choice)
        {
            return null;
        }

        if (programs.AttachAgain(hook) is not { } failure)
        {
            _blind.Remove(hook.Program);
            Log.Again(logger, hook.Hook, reason.Reason);
            return null;
        }

        return hook.IsRequired && !_blind.ContainsKey(hook.Program) && TakeOver(choice, hook, reason) ? null : failure;
    }

    private bool TakeOver(ChosenWay choice, HookProgram hook, Refusal reason)
    {
        // For good: what was switched off once may be again.
        loader.Planner.Refuse(hook.Program, reason);
        while (loader.LoadNextBest(programs, choice) is { } next)
        {
            if (programs.Replace(choice, next.Programs, next.Choice) is not { } failure)
            {
                Log.TookOver(logger, hook.Hook, reason.Reason, next.Choice.Way!.Backend.Name(), choice.Group.Name);
                return true;
            }

            next.Programs.Dispose();
            var isNew = false;
            foreach (var other in next.Choice.Way!.Required)
            {
                isNew |= loader.Planner.Refuse(other.Program, new Refusal(failure));
            }

            if (!isNew)
            {
                break;
            }
        }

        return false;
    }

    private void Tell()
    {
        hooks.Current = Report(programs.Outcomes, _blind.Keys);

        // What totals can do without is in sockwatch_hook_info and in the log.
        var required = _blind.Values.Where(blind => HookGroup.IsNeeded(blind.Hook)).ToList();
        if (required.Count == 0)
        {
            health.Met(Health.Hooks);
            return;
        }

        health.NotMet(Health.Hooks, string.Join("; ", required.GroupBy(blind => blind.Reason).Select(reason =>
            $"{string.Join(", ", reason.Select(blind => blind.Hook.Operation).Distinct())} blind: {reason.Key}")));
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "{Hook} was lost ({Reason}) and is attached again; what happened meanwhile was not seen")]
        public static partial void Again(ILogger logger, string hook, string reason);

        [LoggerMessage(LogLevel.Warning, "{Hook} was lost ({Reason}): {Backend} takes over {Group}; what happened meanwhile was not seen")]
        public static partial void TookOver(ILogger logger, string hook, string reason, string backend, string group);

        [LoggerMessage(LogLevel.Error, "{Operation} by {Backend} was lost ({Reason}): {Without}")]
        public static partial void Blind(ILogger logger, string operation, string backend, string reason, string without);

        [LoggerMessage(LogLevel.Information, "{Operation} by {Backend} is at work again; what happened meanwhile was not seen")]
        public static partial void Back(ILogger logger, string operation, string backend);
    }
}
