using Sockwatch.Exporters;
using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Exporters;

public sealed class FlowChoiceTests
{
    private static readonly FlowRecord[] Records =
    [
        FlowLogSamples.Tcp(RecordKind.FlowStart),
        FlowLogSamples.Tcp(RecordKind.FlowUpdate),
        FlowLogSamples.Tcp(RecordKind.FlowEnd),
        FlowLogSamples.Tcp(RecordKind.FlowEnd, startedAtNs: FlowLogSamples.At - 999_999_999),
        FlowLogSamples.Tcp(RecordKind.FlowEnd, bytesSent: 50, bytesReceived: 49),
        FlowLogSamples.Tcp(RecordKind.FlowFailed, error: 111, startedAtNs: 0),
    ];

    [Fact]
    public void Everything_by_default() => Assert.Equal("111111", Chosen(new FlowLogOptions()));

    [Fact]
    public void The_kinds_that_were_asked_for() => Assert.Equal("001111", Chosen(new FlowLogOptions { Kinds = { "end", "failed" } }));

    [Fact]
    public void What_lasted_long_enough() => Assert.Equal("111011", Chosen(new FlowLogOptions { MinDuration = TimeSpan.FromSeconds(1) }));

    [Fact]
    public void What_carried_enough() => Assert.Equal("111101", Chosen(new FlowLogOptions { MinBytes = 100 }));

    [Fact]
    public void Whole_flows_and_the_same_ones_for_every_exporter()
    {
        var file = new FlowChoice(new FlowLogOptions { Sampling = 0.25 });
        var otlp = new FlowChoice([], 0.25, TimeSpan.Zero, 0);
        var taken = 0;
        for (var cookie = 1UL; cookie <= 4000; cookie++)
        {
            var start = FlowLogSamples.Plain(cookie);
            var end = FlowLogSamples.Plain(cookie, bytesSent: 5);
            Assert.Equal(file.WantsRecord(in start), file.WantsRecord(in end));
            Assert.Equal(file.WantsRecord(in start), otlp.WantsRecord(in start));
            taken += file.WantsRecord(in start) ? 1 : 0;
        }

        Assert.InRange(taken, 800, 1200);
        Assert.DoesNotContain('1', Chosen(new FlowLogOptions { Sampling = 0 }));
    }

    [Fact]
    public async Task What_the_flow_log_does_not_take_is_no_loss()
    {
        using var output = new FakeOutput();
        using var flowLog = FlowLogSamples.FlowLog(output, new FlowLogOptions { Kinds = { "failed" }, QueueLength = 2 });
        foreach (var record in Records)
        {
            flowLog.OnRecord(in record);
        }

        await flowLog.StartAsync(CancellationToken.None);
        await flowLog.StopAsync(CancellationToken.None);

        Assert.Contains("\"event.name\":\"flow.failed\"", Assert.Single(output.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
        Assert.Equal(0, flowLog.QueueFull + flowLog.WriteFailed);
    }

    private static string Chosen(FlowLogOptions options)
    {
        var choice = new FlowChoice(options);
        return string.Concat(Records.Select(record => choice.WantsRecord(in record) ? '1' : '0'));
    }
}
