using System.Collections.Immutable;
using Sockwatch.Aggregation;
using Sockwatch.Commands;
using Sockwatch.Commands.Top;
using Sockwatch.Exporters.Top;
using Sockwatch.Kernel;
using Spectre.Console;
using Xunit;

namespace Sockwatch.Tests.Commands;

public class TopTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 23, 10, 15, 0, TimeSpan.Zero);

    [Fact]
    public void Rates_are_what_came_between_two_reports()
    {
        var rows = Rows(
            Report(0, Series(1, "curl", sent: 1_000, connects: 4)),
            Report(2, Series(1, "curl", sent: 5_000, connects: 5, open: 3)),
            TopOrder.Bytes);

        var row = Assert.Single(rows);
        Assert.Equal(2_000, row.SentPerSecond);
        Assert.Equal(0.5, row.ConnectionsPerSecond);
        Assert.Equal(3, row.Open);
    }

    [Fact]
    public void A_new_series_counts_from_zero() =>
        Assert.Equal(100, Assert.Single(Rows(Report(0), Report(1, Series(1, "curl", sent: 100)), TopOrder.Bytes)).SentPerSecond);

    [Fact]
    public void The_busiest_is_first_by_any_column()
    {
        var before = Report(0);
        var now = Report(1, Series(1, "small", sent: 1, connects: 9), Series(2, "large", sent: 100, connects: 1), Series(3, "idle", open: 5));

        Assert.Equal(["large", "small", "idle"], Names(Rows(before, now, TopOrder.Bytes)));
        Assert.Equal(["small", "large", "idle"], Names(Rows(before, now, TopOrder.Connections)));
        Assert.Equal(["idle", "large", "small"], Names(Rows(before, now, TopOrder.Open)));
    }

    [Fact]
    public void What_does_nothing_is_not_shown() =>
        Assert.Empty(Rows(Report(0, Series(1, "curl", sent: 5)), Report(1, Series(1, "curl", sent: 5)), TopOrder.Bytes));

    [Fact]
    public void Prints_a_plain_table() =>
        Assert.Equal(
            "EXECUTABLE         WORKLOAD                 ROLE   PEER                      PORT PROTO    SENT/s    RECV/s   OPEN  CONN/s  FAIL/s\n" +
            "curl               shop/curl                client public                     443 tcp      1.5 kB       0 B      2       1       0\n",
            TopTable.ToText(Rows(Report(0), Report(1, Series(1, "curl", sent: 1_500, connects: 1, open: 2)), TopOrder.Bytes))
                .ReplaceLineEndings("\n"));

    [Fact]
    public void A_hostile_name_is_neither_markup_nor_escape()
    {
        var rows = Rows(Report(0), Report(1, Series(1, "[red]x[/]\e[2J\n", sent: 1)), TopOrder.Bytes);
        using var text = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, Out = new AnsiConsoleOutput(text) });
        console.Profile.Width = 200;

        console.Write(TopTable.ToLiveTable(rows, TopOrder.Bytes, 10));

        Assert.Contains("[red]x[/]\uFFFD[2J\uFFFD", text.ToString(), StringComparison.Ordinal);
        Assert.Contains("[red]x[/]\uFFFD[2J\uFFFD", TopTable.ToText(rows), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_terminal_it_prints_once_and_ends()
    {
        var reports = new FakeReports(Report(0), Report(0), Report(1, Series(1, "curl", sent: 1_500)));
        using var run = new CommandRun { Composition = new FakeComposition { Reports = reports } };

        Assert.Equal(ExitCode.Done, await run.InvokeAsync("top", "--interval", "100ms"));
        Assert.Contains("curl", run.Output, StringComparison.Ordinal);
        Assert.Equal(2, run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
    }

    private static IReadOnlyList<TopRow> Rows(TrafficReport before, TrafficReport now, TopOrder order) => TopRows.By(order, TopRows.Between(before, now));

    private static string[] Names(IReadOnlyList<TopRow> rows) => [.. rows.Select(row => row.Executable)];

    internal static TrafficReport Report(int second, params TrafficSeries[] series) =>
        new() { Time = Start.AddSeconds(second), Series = [.. series] };

    internal static TrafficSeries Series(long id, string executable, ulong sent = 0, ulong connects = 0, long open = 0) => new(
        id,
        new EdgeAttributes("shop", "Process", executable, executable, "client", "public", "", "", "", "443", "tcp", "ipv4"),
        Start,
        new EdgeTotals { BytesSent = sent, Connects = connects },
        open,
        null,
        ImmutableArray<TrafficFailures>.Empty);

    internal sealed class FakeReports(params TrafficReport[] reports) : IReportSource
    {
        private int _next;

        public TrafficReport? Latest => null;

        public ValueTask<TrafficReport> FreshAsync(CancellationToken cancellation) =>
            new(reports[Math.Min(_next++, reports.Length - 1)]);
    }
}
