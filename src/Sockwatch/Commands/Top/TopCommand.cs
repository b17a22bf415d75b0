using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using Sockwatch.Aggregation;
using Sockwatch.Exporters.Top;
using Spectre.Console;

namespace Sockwatch.Commands.Top;

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
        var btf = CommandOptions.For("--btf", "FILE");
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
        var standalone = CommandOptions.Standalone();
        var command = new Command("top", "Show the busiest conversations") { interval, sort, once, standalone, config, btf, logLevel };

        command.SetAction(async (parsed, stopping) =>
        {
            var configuration = CommandOptions.Load(parsed, context, config, btf, logLevel);
            configuration["log:level"] ??= "Error"; // Lines of the log would tear the table.
            var pause = parsed.GetValue(interval) ?? DefaultInterval;
            var order = parsed.GetValue(sort);
            var isLive = !parsed.GetValue(once) && context.Terminal.IsInteractive;
            using var agent = parsed.GetValue(standalone) ? null : await AttachedTop.TryConnectAsync(context, configuration, pause, stopping).ConfigureAwait(false);
            if (agent is not null)
            {
                await ShowAsync(agent, stopping).ConfigureAwait(false);
                return ExitCode.Done;
            }

            using var host = context.Composition.Top(configuration);
            var tables = new TopTables(host.Services.GetRequiredService<IReportSource>(), pause, context.Time);
            await AgentHost.RunAsync(host, ending => ShowAsync(tables, ending), stopping).ConfigureAwait(false);
            return ExitCode.Done;

            Task ShowAsync(ITopTables tables, CancellationToken ending) =>
                isLive ? ShowLiveAsync(context, tables, order, ending) : PrintOnceAsync(context, tables, order, ending);
        });
        return command;
    }

    private static async Task PrintOnceAsync(CommandContext context, ITopTables tables, TopOrder order, CancellationToken ending)
    {
        var rows = await tables.NextAsync(ending).ConfigureAwait(false);
        await context.Terminal.Output.WriteAsync(TopTable.ToText(TopRows.By(order, rows))).ConfigureAwait(false);
    }

    private static async Task ShowLiveAsync(CommandContext context, ITopTables tables, TopOrder order, CancellationToken stopping)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(context.Terminal.Output) });
        IReadOnlyList<TopRow> rows = [];
        await console.Live(TopTable.ToLiveTable(rows, order, 1)).AutoClear(false).StartAsync(async live =>
        {
            var next = tables.NextAsync(ending.Token);
            while (await WaitForKeyAsync(context, next, ending.Token).ConfigureAwait(false) is var key && key is not ConsoleKey.Q)
            {
                if (key == ConsoleKey.S)
                {
                    order = order == TopOrder.Failures ? TopOrder.Bytes : order + 1;
                }
                else
                {
                    rows = await next.ConfigureAwait(false);
                    next = tables.NextAsync(ending.Token);
                }

                rows = TopRows.By(order, rows);
                live.UpdateTarget(TopTable.ToLiveTable(rows, order, Math.Max(1, console.Profile.Height - LinesAroundRows)));
            }

            await ending.CancelAsync().ConfigureAwait(false);
            await Task.WhenAny(next).ConfigureAwait(false);
        }).ConfigureAwait(false);
    }

    /// <summary>Waits for q, s or the next table.</summary>
    private static async Task<ConsoleKey?> WaitForKeyAsync(CommandContext context, Task next, CancellationToken ending)
    {
        while (!next.IsCompleted)
        {
            while (context.Terminal.ReadKey() is { } pressed)
            {
                if (pressed.Key is ConsoleKey.Q or ConsoleKey.S)
                {
                    return pressed.Key;
                }
            }

            await Task.WhenAny(next, Task.Delay(KeyInterval, context.Time, ending)).ConfigureAwait(false);
            ending.ThrowIfCancellationRequested();
        }

        return null;
    }
}
