using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Sockwatch.Aggregation;
using Sockwatch.Configuration;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters;
using Sockwatch.Exporters.Otlp;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Exporters.Otlp;

/// <summary>Receivers that are away for a while: what is kept for them, and how the agent fares meanwhile.</summary>
public sealed class OtlpRecoveryTests : OtlpFailure
{
    [Theory]
    [InlineData(true, 8)]
    [InlineData(true, 14)]
    [InlineData(false, 429)]
    [InlineData(false, 503)]
    public async Task It_asks_to_be_left_alone_for_a_while_and_gets_everything_after_it(bool grpc, int status)
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc);
        var refusals = 0;
        receiver.Misbehave = async context =>
        {
            if (Interlocked.Increment(ref refusals) > 1)
            {
                return false;
            }

            return await RefuseAsync(context, grpc, status, seconds: 2);
        };
        var time = new ManualTime();
        using var flows = Some.OtlpFlows(Options(receiver.Endpoint, grpc), Losses, Failures, time: time);
        await flows.StartAsync(CancellationToken.None);

        flows.OnRecord(FlowLogSamples.Plain(1));
        await AdvanceAsync(time, TimeSpan.FromMilliseconds(100), () => receiver.Requests.Count == 1);
        await Some.UntilAsync(() => Failed("otlp_logs").Length > 0);
        for (var step = 0; step < 19; step++)
        {
            time.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Delay(2);
        }

        Assert.Single(receiver.Requests);
        await AdvanceAsync(time, TimeSpan.FromMilliseconds(100), () => flows.Logs!.Delivered == 1);
        Assert.Equal(grpc && status == 14 || !grpc && status == 503 ? "unavailable=1" : "throttled=1", Failed("otlp_logs"));
        Assert.Equal(0, flows.Logs!.Undeliverable);
        await flows.StopAsync(CancellationToken.None);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task It_is_away_and_comes_back(bool grpc)
    {
        var port = FreePort();
        var options = Options($"http://127.0.0.1:{port}", grpc);
        options.QueueLength = 600;
        using var flows = Some.OtlpFlows(options, Losses, Failures, FlowsLog);
        await flows.StartAsync(CancellationToken.None);
        using var metrics = Some.OtlpMetrics(options, failures: Failures, logger: MetricsLog);
        var slowest = TimeSpan.Zero;
        for (var i = 1; i <= 2000; i++)
        {
            var clock = Stopwatch.StartNew();
            flows.OnRecord(FlowLogSamples.Plain((ulong)i));
            slowest = clock.Elapsed > slowest ? clock.Elapsed : slowest;
        }

        metrics.Push(Report(5));
        metrics.Push(Report(7));
        await Some.UntilAsync(() => Failed("otlp_logs").Length > 0);

        await using var receiver = await OtlpReceiver.StartAsync(grpc, port: port);
        metrics.Push(Report(9));
        await Some.UntilAsync(() => flows.Logs!.Delivered + flows.Logs.QueueFull == 2000);

        // Nothing that was queued is lost, what was not is counted, and totals are as if nothing had happened.
        Assert.Equal(flows.Logs!.Delivered, receiver.Logs.SelectMany(OtlpMessages.Logs).Count());
        Assert.InRange(flows.Logs.Delivered, 600, 1200);
        Assert.Equal(9.0, receiver.Points.Single(point => point.Name == "sockwatch.socket.io").Value);
        Assert.True(slowest < TimeSpan.FromMilliseconds(500), $"the reader waited {slowest}");
        var address = $"http://127.0.0.1:{port}/{(grpc ? "" : "v1/metrics")}";
        Assert.Equal(
            [
                $"otlp_metrics cannot be delivered to {address}: connection refused. Failures are counted until it can",
                $"otlp_metrics is delivered to {address} again",
            ],
            MetricsLog.Texts);
        Assert.Equal(2, FlowsLog.Texts.Count);
        await flows.StopAsync(CancellationToken.None);
    }

    [Theory]
    [InlineData(true, 8)]
    [InlineData(true, 14)]
    [InlineData(false, 429)]
    [InlineData(false, 503)]
    public async Task It_asks_not_to_be_pushed_metrics_for_a_while(bool grpc, int status)
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc);
        receiver.Misbehave = context => RefuseAsync(context, grpc, status, seconds: 120);
        var time = new ManualTime();
        var options = Options(receiver.Endpoint, grpc);
        options.Interval = TimeSpan.FromSeconds(10);
        using var metrics = Some.OtlpMetrics(options, new FixedReport(Report(5)), Failures, MetricsLog, time);
        await metrics.StartAsync(CancellationToken.None);
        await AdvanceAsync(time, TimeSpan.FromSeconds(10), () => receiver.Requests.Count == 1);
        receiver.Misbehave = null;

        for (var second = 0; second < 118; second++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(2);
        }

        Assert.Single(receiver.Requests);
        await AdvanceAsync(time, TimeSpan.FromSeconds(1), () => receiver.Points.Any(point => point is { Name: "sockwatch.socket.io", Value: 5 }));
        await metrics.StopAsync(CancellationToken.None);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task It_comes_back_after_ten_minutes(bool grpc)
    {
        var port = FreePort();
        var time = new ManualTime();
        var options = Options($"http://127.0.0.1:{port}", grpc);
        options.Interval = TimeSpan.FromSeconds(10);
        options.QueueLength = 1000;
        var reports = new FixedReport(Report(1));
        using var metrics = Some.OtlpMetrics(options, reports, Failures, MetricsLog, time);
        using var flows = Some.OtlpFlows(options, Losses, Failures, FlowsLog, time);
        await metrics.StartAsync(CancellationToken.None);
        await flows.StartAsync(CancellationToken.None);
        var startedAt = time.GetUtcNow();
        var records = 0UL;
        while (time.GetUtcNow() - startedAt < TimeSpan.FromMinutes(10))
        {
            flows.OnRecord(FlowLogSamples.Plain(++records));
            reports.Latest = Report(1 + records);
            time.Advance(TimeSpan.FromSeconds(2));
            await Task.Delay(5);
        }

        Assert.True(Count("otlp_metrics", "connection_refused") >= 10 && Count("otlp_logs", "connection_refused") >= 10, Failed("otlp_metrics") + Failed("otlp_logs"));
        await using var receiver = await OtlpReceiver.StartAsync(grpc, port: port);
        await AdvanceAsync(time, TimeSpan.FromSeconds(2), () =>
            flows.Logs!.Delivered == (long)records && receiver.Points.Any(point => point.Name == "sockwatch.socket.io"));

        Assert.Equal(records, (ulong)receiver.Logs.SelectMany(OtlpMessages.Logs).Select(log => log.Attributes["flow.id"]).Distinct().Count());
        Assert.Equal(1.0 + records, receiver.Points.First(point => point.Name == "sockwatch.socket.io").Value);
        Assert.Equal((2, 2), (MetricsLog.Texts.Count, FlowsLog.Texts.Count));
        Assert.Equal(0, flows.Logs!.QueueFull + flows.Logs.Undeliverable);
        await flows.StopAsync(CancellationToken.None);
        await metrics.StopAsync(CancellationToken.None);
    }

    [Fact]
    public async Task A_receiver_that_hangs_does_not_hold_up_the_end()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var options = Options($"http://{listener.LocalEndpoint}", grpc: true);
        options.Timeout = TimeSpan.FromMinutes(1);
        options.Interval = TimeSpan.FromMilliseconds(100);
        var deadline = new StopDeadline();
        using var flows = Some.OtlpFlows(options, deadline: deadline);
        using var metrics = Some.OtlpMetrics(options, deadline: deadline);
        await flows.StartAsync(CancellationToken.None);
        await metrics.StartAsync(CancellationToken.None);
        flows.OnRecord(FlowLogSamples.Plain(1));
        await Task.Delay(500);
        var clock = Stopwatch.StartNew();

        // In the agent's order.
        await metrics.StopAsync(CancellationToken.None);
        await flows.StopAsync(CancellationToken.None);

        Assert.InRange(clock.Elapsed.TotalSeconds, 2.5, 3.8);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task It_is_slow_and_gets_everything_while_nobody_waits_for_it(bool grpc)
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc);
        receiver.Misbehave = async context =>
        {
            await Task.Delay(TimeSpan.FromMilliseconds(300), context.RequestAborted);
            return false;
        };
        using var flows = Some.OtlpFlows(Options(receiver.Endpoint, grpc), Losses, Failures);
        await flows.StartAsync(CancellationToken.None);
        var clock = Stopwatch.StartNew();

        for (var i = 1; i <= 1500; i++)
        {
            flows.OnRecord(FlowLogSamples.Plain((ulong)i));
        }

        var taken = clock.Elapsed;
        await Some.UntilAsync(() => flows.Logs!.Delivered == 1500);

        Assert.InRange(taken.TotalMilliseconds, 0, 500);
        Assert.InRange(clock.Elapsed.TotalMilliseconds, 900, 20_000); // three batches, one after the other
        Assert.Equal(1500, receiver.Logs.SelectMany(OtlpMessages.Logs).Select(log => log.Attributes["flow.id"]).Distinct().Count());
        Assert.Equal(("", 0L), (Failed("otlp_logs"), flows.Logs!.QueueFull + flows.Logs.Undeliverable));
        await flows.StopAsync(CancellationToken.None);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task It_hangs_for_more_than_a_second_and_nothing_is_taken_for_delivered(bool grpc)
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc);
        var requests = 0;
        receiver.Misbehave = async context =>
        {
            if (Interlocked.Increment(ref requests) == 1)
            {
                await Task.Delay(TimeSpan.FromSeconds(20), context.RequestAborted);
            }

            return false;
        };
        var options = Options(receiver.Endpoint, grpc, TimeSpan.FromSeconds(1.5));
        options.Spans = false;
        using var flows = Some.OtlpFlows(options, Losses, Failures);
        for (var i = 1; i <= 100; i++)
        {
            flows.OnRecord(FlowLogSamples.Plain((ulong)i));
        }

        await flows.StartAsync(CancellationToken.None);
        await Some.UntilAsync(() => Failed("otlp_logs").Length > 0);
        Assert.Equal(0, flows.Logs!.Delivered);
        await Some.UntilAsync(() => flows.Logs.Delivered == 100);

        Assert.Equal("timed_out=1", Failed("otlp_logs"));
        Assert.Equal(100, receiver.Logs.SelectMany(OtlpMessages.Logs).Count());
        await flows.StopAsync(CancellationToken.None);
    }
}
