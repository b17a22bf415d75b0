using System.Text.Json;
using System.Text.RegularExpressions;
using Sockwatch.Exporters;
using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Exporters;

public class FlowLogJsonTests
{
    private const string Owner =
        "\"process.pid\":15455,\"process.parent_pid\":1,\"process.executable.path\":\"/usr/bin/curl\",\"process.executable.name\":\"curl\"," +
        "\"user.id\":500,\"container.id\":\"0123456789ab\",\"workload.kind\":\"Process\",\"workload.name\":\"curl\",\"peer.class\":\"public\"}\n";

    private const string Network =
        "\"network.role\":\"client\",\"network.transport\":\"tcp\",\"network.type\":\"ipv4\"," +
        "\"network.local.address\":\"172.16.231.199\",\"network.local.port\":32965," +
        "\"network.peer.address\":\"93.184.216.34\",\"network.peer.port\":443,";

    [Fact]
    public void Writes_the_start_of_a_flow() =>
        Assert.Equal(
            "{\"time\":\"2026-11-23T10:15:02.123456789Z\",\"event.name\":\"flow.start\",\"flow.id\":\"ID\"," +
            "\"flow.start_time\":\"2026-11-23T10:15:00.923456789Z\",\"flow.connect_duration\":0.0123,\"flow.attribution\":\"exact\"," + Network + Owner,
            Line(FlowLogSamples.Tcp(RecordKind.FlowStart)));

    [Fact]
    public void Writes_the_end_of_a_flow() =>
        Assert.Equal(
            "{\"time\":\"2026-11-23T10:15:02.123456789Z\",\"event.name\":\"flow.end\",\"flow.id\":\"ID\"," +
            "\"flow.start_time\":\"2026-11-23T10:15:00.923456789Z\",\"flow.duration\":1.2,\"flow.end_reason\":\"peer_close\"," +
            "\"flow.connect_duration\":0.0123,\"flow.attribution\":\"exact\"," + Network +
            "\"flow.bytes.sent\":1234,\"flow.bytes.received\":34000,\"flow.sends\":3,\"flow.receives\":7," +
            "\"flow.tcp.rtt\":0.00085,\"flow.tcp.retransmits\":2," + Owner,
            Line(FlowLogSamples.Tcp(RecordKind.FlowEnd, endReason: FlowEndReason.PeerClose)));

    [Fact]
    public void Writes_a_detection() =>
        Assert.Equal(
            "{\"time\":\"2026-11-23T10:15:02.123456789Z\",\"event.name\":\"flow.detect\",\"detection.name\":\"Bad Example\"," +
            "\"detection.classification\":7,\"flow.id\":\"ID\",\"flow.start_time\":\"2026-11-23T10:15:00.923456789Z\"," +
            "\"flow.connect_duration\":0.0123,\"flow.attribution\":\"exact\"," + Network + Owner,
            Line(FlowLogSamples.Tcp(RecordKind.FlowDetect)));

    [Fact]
    public void Writes_a_failed_connect() =>
        Assert.Equal(
            "{\"time\":\"2026-11-23T10:15:02.123456789Z\",\"event.name\":\"flow.failed\",\"flow.id\":\"ID\"," +
            "\"flow.connect_duration\":0.0123,\"error.type\":\"timed_out\",\"flow.attribution\":\"exact\"," + Network + Owner,
            Line(FlowLogSamples.Tcp(RecordKind.FlowFailed, error: 110, startedAtNs: 0)));

    [Fact]
    public void An_update_has_totals_and_what_came_since_the_last_one()
    {
        using var format = Format();

        var line = FlowLogSamples.Line(format, FlowLogSamples.Tcp(
            RecordKind.FlowUpdate, bytesSent: 150, bytesReceived: 10, reportedBytesSent: 100, reportedBytesReceived: 10));

        using var json = JsonDocument.Parse(line);
        Assert.Equal(150, json.RootElement.GetProperty("flow.bytes.sent").GetInt32());
        Assert.Equal(50, json.RootElement.GetProperty("flow.delta.bytes.sent").GetInt32());
        Assert.Equal(0, json.RootElement.GetProperty("flow.delta.bytes.received").GetInt32());
    }

    [Fact]
    public void Changes_of_udp_peers_are_no_flow_records()
    {
        using var format = Format();

        Assert.Equal("", FlowLogSamples.Line(format, FlowLogSamples.Udp(RecordKind.PeerChanged)));
    }

    [Fact]
    public void Hostile_names_stay_inside_their_string()
    {
        using var format = Format(new FakeNaming { Path = "/tmp/\"}\n{\"time\":\\\u0001\u2028", Executable = "g++ <&'>" });

        var line = FlowLogSamples.Line(format, FlowLogSamples.Tcp(RecordKind.FlowStart));

        using var json = JsonDocument.Parse(line);
        Assert.Equal("/tmp/\"}\n{\"time\":\\\u0001\u2028", json.RootElement.GetProperty("process.executable.path").GetString());
        Assert.Contains("\"g++ <&'>\"", line, StringComparison.Ordinal);
        Assert.Equal(line.Length - 1, line.IndexOf('\n', StringComparison.Ordinal));
        Assert.DoesNotContain('\u2028', line);
    }

    [Fact]
    public void A_record_of_nothing_is_still_valid_json()
    {
        using var format = Format(new FakeNaming { Path = null, Container = null });

        using var json = JsonDocument.Parse(FlowLogSamples.Line(format, new FlowRecord { Kind = RecordKind.FlowEnd, AtNs = ulong.MaxValue }));

        Assert.Equal("none", json.RootElement.GetProperty("flow.attribution").GetString());
        Assert.False(json.RootElement.TryGetProperty("process.pid", out _));
    }

    [Fact]
    public void Writing_a_record_allocates_little()
    {
        using var format = Format();
        var lines = new System.Buffers.ArrayBufferWriter<byte>(1024 * 1024);
        var record = FlowLogSamples.Tcp(RecordKind.FlowEnd);
        format.TryWrite(in record, lines);
        var before = GC.GetAllocatedBytesForCurrentThread();

        for (var i = 0; i < 100; i++)
        {
            format.TryWrite(in record, lines);
        }

        Assert.InRange((GC.GetAllocatedBytesForCurrentThread() - before) / 100, 0, 1_000);
    }

    private static FlowLogJson Format(FakeNaming? naming = null) =>
        new(naming ?? new FakeNaming(), FlowLogSamples.Clock(), new FlowLogIdentity(new HostPaths()));

    private static string Line(in FlowRecord record)
    {
        using var format = Format();
        return Regex.Replace(FlowLogSamples.Line(format, in record), "\"flow.id\":\"[0-9a-f]{32}\"", "\"flow.id\":\"ID\"");
    }
}
