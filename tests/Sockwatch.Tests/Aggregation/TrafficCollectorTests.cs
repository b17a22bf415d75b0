using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Aggregation;

public sealed class TrafficCollectorTests
{
    private readonly ManualTime _time = new();
    private readonly FakeKernelTotals _kernel = new();

    [Fact]
    public async Task Flushes_the_kernel_and_reports_what_it_counted()
    {
        _kernel.Count(Some.Edge(), Some.Bytes(5, 6));
        _kernel.Losses[(int)LossReason.RingFull] = 3;
        using var collector = Some.TrafficCollector(_kernel, _time);

        var report = await collector.FreshAsync(CancellationToken.None);

        Assert.Equal(1, _kernel.Flushes);
        Assert.Equal((5UL, 6UL), Some.Sum(report.Series));
        Assert.Equal((5UL, 6UL), (report.Observed.Transmitted, report.Observed.Received));
        Assert.Contains(new Loss("kernel", "ring_full", 3), report.Losses);
        Assert.Equal(_time.GetUtcNow(), report.Time);
        Assert.Same(report, collector.Latest);
    }

    [Fact]
    public async Task Shares_one_collection_among_those_who_ask_at_once()
    {
        using var collector = Some.TrafficCollector(_kernel, _time);
        _kernel.Gate.Reset();

        var all = Enumerable.Range(0, 8).Select(_ => collector.FreshAsync(CancellationToken.None).AsTask()).ToArray();
        _kernel.Gate.Set();
        var reports = await Task.WhenAll(all);

        Assert.Equal(1, _kernel.Flushes);
        Assert.Single(reports.Distinct());
    }

    [Fact]
    public async Task Shares_one_collection_also_when_it_takes_longer_than_a_report_is_fresh()
    {
        using var collector = Some.TrafficCollector(_kernel, _time);
        _kernel.Gate.Reset();
        var first = collector.FreshAsync(CancellationToken.None).AsTask();
        await Until(() => _kernel.Flushes == 1);
        var second = collector.FreshAsync(CancellationToken.None).AsTask();
        _time.Advance(TimeSpan.FromSeconds(3));

        _kernel.Gate.Set();

        Assert.Same(await first, await second);
        Assert.Equal(1, _kernel.Flushes);
    }

    [Fact]
    public async Task Reads_again_once_the_last_report_is_a_second_old()
    {
        using var collector = Some.TrafficCollector(_kernel, _time);

        await collector.FreshAsync(CancellationToken.None);
        _time.Advance(TimeSpan.FromMilliseconds(999));
        await collector.FreshAsync(CancellationToken.None);
        Assert.Equal(1, _kernel.Flushes);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        await collector.FreshAsync(CancellationToken.None);

        Assert.Equal(2, _kernel.Flushes);
    }

    [Fact]
    public async Task Reads_again_for_the_last_word_however_fresh_the_report_is()
    {
        using var collector = Some.TrafficCollector(_kernel, _time);
        await collector.FreshAsync(CancellationToken.None);
        _kernel.Count(Some.Edge(), Some.Bytes(5));

        var report = await collector.NowAsync(CancellationToken.None);

        Assert.Equal(5UL, Some.Sum(report.Series).Sent);
    }

    [Fact]
    public async Task Keeps_the_last_report_and_says_so_when_the_kernel_cannot_be_read()
    {
        var health = new Health(_time);
        _kernel.Count(Some.Edge(), Some.Bytes(5));
        using var collector = Some.TrafficCollector(_kernel, _time, health: health);
        await collector.FreshAsync(CancellationToken.None);
        health.Met(Health.Hooks);
        Assert.True(health.IsReady);

        _kernel.Broken = new InvalidOperationException("map lookup failed");
        _time.Advance(TimeSpan.FromSeconds(2));
        var report = await collector.FreshAsync(CancellationToken.None);

        Assert.Equal(5UL, Some.Sum(report.Series).Sent);
        Assert.Equal(1, report.CollectionFailures);
        Assert.Contains("map lookup failed", Assert.Single(health.Missing()), StringComparison.Ordinal);

        _kernel.Broken = null;
        _time.Advance(TimeSpan.FromSeconds(2));
        await collector.FreshAsync(CancellationToken.None);

        Assert.True(health.IsReady);
    }

    [Fact]
    public async Task Removes_idle_edges_from_the_kernel_and_keeps_their_bytes()
    {
        _kernel.Count(Some.Edge(), Some.Bytes(5));
        using var collector = Some.TrafficCollector(_kernel, _time);
        await collector.FreshAsync(CancellationToken.None);

        _time.Advance(TimeSpan.FromMinutes(10));
        await collector.FreshAsync(CancellationToken.None);
        _time.Advance(TimeSpan.FromSeconds(5));
        var report = await collector.FreshAsync(CancellationToken.None);

        Assert.Equal([Some.Edge()], _kernel.Removed);
        Assert.Equal(5UL, Some.Sum(report.Series).Sent);
    }

    [Fact]
    public async Task Collects_on_its_own_every_interval()
    {
        using var collector = Some.TrafficCollector(_kernel, _time);
        await collector.StartAsync(CancellationToken.None);
        await Until(() => _kernel.Flushes == 1);

        _time.Advance(TimeSpan.FromSeconds(5));

        await Until(() => _kernel.Flushes == 2);
        await collector.StopAsync(CancellationToken.None);
    }

    private static async Task Until(Func<bool> condition)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while (!condition())
        {
            await Task.Delay(5, deadline.Token);
        }
    }
}
