using Sockwatch.Aggregation;
using Sockwatch.Exporters.Page;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Exporters.Page;

public sealed class LiveTrafficTests
{
    private readonly ManualTime _time = new();
    private readonly NextReports _reports = new();

    [Fact]
    public async Task The_first_look_has_rates_from_the_collectors_own_last_report()
    {
        _reports.Latest = PageSamples.Report(0, PageSamples.Series(1, sent: 1_000, connects: 2));
        _reports.Next = PageSamples.Report(4, PageSamples.Series(1, sent: 5_000, received: 800, connects: 4, failures: 2));
        using var traffic = new LiveTraffic(_reports, _time);

        var view = await traffic.FreshAsync(Cancellation);

        var row = Assert.Single(view.Rows);
        Assert.Equal((1_000.0, 200.0, 0.5, 0.5), (row.SentRate, row.ReceivedRate, row.ConnectionRate, row.FailureRate));
        Assert.Equal((1_000.0, 200.0), (view.SentRate, view.ReceivedRate));
        Assert.Equal(TimeSpan.FromSeconds(4), view.Window);
    }

    [Fact]
    public async Task An_edge_that_is_new_since_the_last_look_counts_from_zero()
    {
        _reports.Latest = PageSamples.Report(0);
        _reports.Next = PageSamples.Report(2, PageSamples.Series(9, sent: 50));
        using var traffic = new LiveTraffic(_reports, _time);

        Assert.Equal(25, Assert.Single((await traffic.FreshAsync(Cancellation)).Rows).SentRate);
    }

    [Fact]
    public async Task Rates_are_never_of_less_than_a_second_once_there_is_more()
    {
        _reports.Latest = PageSamples.Report(0, PageSamples.Series(1));
        _reports.Next = PageSamples.Report(2, PageSamples.Series(1, sent: 20));
        using var traffic = new LiveTraffic(_reports, _time);
        await traffic.FreshAsync(Cancellation);
        var soon = PageSamples.Report(2, PageSamples.Series(1, sent: 24));
        _reports.Next = soon with { Time = soon.Time + TimeSpan.FromMilliseconds(400) };
        await traffic.FreshAsync(Cancellation);
        _reports.Next = PageSamples.Report(4, PageSamples.Series(1, sent: 30));

        var view = await traffic.FreshAsync(Cancellation);

        Assert.Equal(TimeSpan.FromSeconds(2), view.Window);
        Assert.Equal(5, view.Rows[0].SentRate);
    }

    [Fact]
    public async Task Shares_one_view_of_one_report()
    {
        _reports.Latest = PageSamples.Report(0);
        using var traffic = new LiveTraffic(_reports, _time);

        Assert.Same(await traffic.FreshAsync(Cancellation), await traffic.FreshAsync(Cancellation));
    }

    [Fact]
    public async Task A_reading_that_failed_shows_the_last_rows_and_says_so()
    {
        _reports.Latest = PageSamples.Report(0, PageSamples.Series(1));
        _reports.Next = PageSamples.Report(1, PageSamples.Series(1, sent: 7));
        using var traffic = new LiveTraffic(_reports, _time);
        await traffic.FreshAsync(Cancellation);
        _reports.Next = _reports.Latest! with { CollectionFailures = 1 };

        var view = await traffic.FreshAsync(Cancellation);

        Assert.Equal(1, view.Report.CollectionFailures);
        Assert.Equal(7, view.Rows[0].SentRate);
    }

    [Fact]
    public async Task A_clock_that_was_set_back_costs_one_look_its_rates_and_no_more()
    {
        _reports.Latest = PageSamples.Report(3600, PageSamples.Series(1));
        using var traffic = new LiveTraffic(_reports, _time);
        await traffic.FreshAsync(Cancellation);
        _reports.Next = PageSamples.Report(0, PageSamples.Series(1, sent: 5));
        Assert.Equal(0, (await traffic.FreshAsync(Cancellation)).Rows[0].SentRate);
        _reports.Next = PageSamples.Report(1, PageSamples.Series(1, sent: 15));

        Assert.Equal(10, (await traffic.FreshAsync(Cancellation)).Rows[0].SentRate);
    }

    [Fact]
    public async Task Holds_no_report_when_nobody_has_looked_for_a_while()
    {
        _reports.Latest = PageSamples.Report(0);
        using var traffic = new LiveTraffic(_reports, _time);
        var before = await traffic.FreshAsync(Cancellation);

        _time.Advance(TimeSpan.FromMinutes(1));

        Assert.NotSame(before, await traffic.FreshAsync(Cancellation));
    }

    [Fact]
    public async Task Before_the_first_report_there_is_nothing_and_no_failure()
    {
        using var traffic = new LiveTraffic(_reports, _time);

        Assert.Empty((await traffic.FreshAsync(Cancellation)).Rows);
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private sealed class NextReports : IReportSource
    {
        public TrafficReport? Latest { get; set; }

        /// <summary>What a fresh reading finds.</summary>
        public TrafficReport? Next { get; set; }

        public ValueTask<TrafficReport> FreshAsync(CancellationToken cancellation)
        {
            Latest = Next ?? Latest;
            return new(Latest ?? TrafficReport.Empty);
        }
    }
}
