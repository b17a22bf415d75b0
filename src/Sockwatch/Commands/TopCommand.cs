using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using Sockwatch.Aggregation;
using Spectre.Console;

namespace Sockwatch.Commands;

/// <summary><c>sockwatch top</c>: the busiest conversations, live on a terminal, once anywhere else.</summary>
internal static class TopCommand
{
    private static readonly TimeSpan DefaultInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan KeyInterval = TimeSpan.FromMilliseconds(100);

    // The title, the caption and the prompt's line.
    private const int LinesAroundRows = 4;

    public static Command Create(CommandContext context)
    {
        var config = CommandOptions.Config();
        var logLevel = CommandOptions.For("--log-level", "LEVEL", "trace, debug, info, warn or error (default error)");
        var interval = CommandOptions.Duration("--interval", "How often to look, and the time rates are taken over (default 1s)", TimeSpan.FromMilliseconds(100));
        var sort = new Option<TopOrder>("--sort")
        {
            Description = "bytes, sent, received, open, connections or failures (default bytes)",
            HelpName = "COLUMN",
            CustomParser = result =>
            {
                var text = result.Tokens[0].Value;
                if (Enum.TryParse<TopOrder>(text, ignoreCase: true, out var order) && Enum.IsDefined(order) && !char.IsAsciiDigit(text[0]))
                {
                    return order;
                }

                result.AddError(CommandOptions.Expected("--sort", result, "bytes, sent, received, open, connections or failures"));
                return default;
            },
        };
        var once = new Option<bool>("--once") { Description = "Print one table and end, as when the output is no terminal" };
        var command = new Command("top", "Show the busiest conversations") { interval, sort, once, config, logLevel };

        command.SetAction(async (parsed, stopping) =>
        {
            var configuration = CommandOptions.Load(parsed, context, config, logLevel);
            configuration["log:level"] ??= "Error"; // Lines of the log would tear the table.
            using var host = context.Composition.Top(configuration);
            var reports = host.Services.GetRequiredService<IReportSource>();
            var pause = parsed.GetValue(interval) ?? DefaultInterval;
            var order = parsed.GetValue(sort);
            await AgentHost.RunAsync(
                host,
                ending => parsed.GetValue(once) || !context.Terminal.IsInteractive
                    ? PrintOnceAsync(context, reports, pause, order, ending)
                    : ShowAsync(context, reports, pause, order, ending),
                stopping).ConfigureAwait(false);
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task PrintOnceAsync(CommandContext context, IReportSource reports, TimeSpan pause, TopOrder order, CancellationToken ending)
    {
        var before = await reports.FreshAsync(ending).ConfigureAwait(false);
        var now = before;

        // A report is shared by all who ask within a second, so the next one may be the same one.
        while (now.Time <= before.Time)
        {
            await Task.Delay(pause, context.Time, ending).ConfigureAwait(false);
            now = await reports.FreshAsync(ending).ConfigureAwait(false);
        }

        await context.Terminal.Output.WriteAsync(TopTable.ToText(TopTable.Rows(before, now, order))).ConfigureAwait(false);
    }

    private static async Task ShowAsync(CommandContext context, IReportSource reports, TimeSpan pause, TopOrder order, CancellationToken ending)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(context.Terminal.Output) });
        var before = await reports.FreshAsync(ending).ConfigureAwait(false);
        IReadOnlyList<TopRow> rows = [];
        await console.Live(TopTable.ToLiveTable(rows, order, 1)).AutoClear(false).StartAsync(async live =>
        {
            while (await WaitForKeyAsync(context, pause, ending).ConfigureAwait(false) is var key && key is not ConsoleKey.Q)
            {
                if (key == ConsoleKey.S)
                {
                    order = order == TopOrder.Failures ? TopOrder.Bytes : order + 1;
                    rows = [.. rows.OrderByDescending(row => row.Key(order))];
                }
                else
                {
                    var now = await reports.FreshAsync(ending).ConfigureAwait(false);
                    if (now.Time > before.Time)
                    {
                        rows = TopTable.Rows(before, now, order);
                        before = now;
                    }
                }

                live.UpdateTarget(TopTable.ToLiveTable(rows, order, Math.Max(1, console.Profile.Height - LinesAroundRows)));
            }
        }).ConfigureAwait(false);
    }

    /// <summary>Waits for q, s or the end of the interval.</summary>
    private static async Task<ConsoleKey?> WaitForKeyAsync(CommandContext context, TimeSpan interval, CancellationToken ending)
    {
        var started = context.Time.GetTimestamp();
        while (context.Time.GetElapsedTime(started) < interval)
        {
            while (context.Terminal.ReadKey() is { } pressed)
            {
                if (pressed.Key is ConsoleKey.Q or ConsoleKey.S)
                {
                    return pressed.Key;
                }
            }

            await Task.Delay(KeyInterval, context.Time, ending).ConfigureAwait(false);
        }

        return null;
    }
}
