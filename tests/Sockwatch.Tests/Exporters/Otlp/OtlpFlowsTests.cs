using System.Globalization;
using System.Text.Json;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters;
using Sockwatch.Exporters.Otlp;
using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Exporters.Otlp;

public sealed class OtlpFlowsTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_log_record_says_what_the_JSON_line_says(bool grpc)
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc);
        using var flows = Some.OtlpFlows(Options(receiver, grpc));
        FlowRecord[] records =
        [
            FlowLogSamples.Tcp(RecordKind.FlowStart),
            FlowLogSamples.Tcp(RecordKind.FlowUpdate),
            FlowLogSamples.Tcp(RecordKind.FlowEnd, endReason: FlowEndReason.PeerClose),
            FlowLogSamples.Tcp(RecordKind.FlowFailed, error: 111, startedAtNs: 0),
            FlowLogSamples.Udp(RecordKind.FlowEnd),
        ];

        await SendAsync(flows, records);

        var logs = receiver.Logs.SelectMany(OtlpMessages.Logs).ToList();
        Assert.Equal(records.Length, logs.Count);
        using var json = new FlowLogJson(new FakeNaming(), FlowLogSamples.Clock(), new FlowLogIdentity(new HostPaths()));
        for (var i = 0; i < records.Length; i++)
        {
            using var line = JsonDocument.Parse(FlowLogSamples.Line(json, records[i]));
            Assert.Equal(line.RootElement.GetProperty("event.name").GetString(), logs[i].EventName);
            Assert.Empty(logs[i].Body);

            // The library keeps time in steps of 100 ns.
            var time = DateTime.Parse(line.RootElement.GetProperty("time").GetString()![..27] + "Z", CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal);
            Assert.Equal((ulong)(time - DateTime.UnixEpoch).Ticks * 100, logs[i].TimeNs);
            var expected = line.RootElement.EnumerateObject().Where(one => one.Name is not ("time" or "event.name"))
                .Select(one => $"{one.Name}={Text(one.Value)}").Order(StringComparer.Ordinal);
            var found = logs[i].Attributes.Select(one => $"{one.Key}={Convert.ToString(one.Value, CultureInfo.InvariantCulture)}").Order(StringComparer.Ordinal);
            Assert.Equal(expected, found);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_ended_flow_is_one_span_with_the_flows_own_ids(bool grpc)
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc);
        var options = Options(receiver, grpc);
        options.Spans = true;
        using var flows = Some.OtlpFlows(options);

        await SendAsync(
            flows,
            FlowLogSamples.Tcp(RecordKind.FlowStart),
            FlowLogSamples.Tcp(RecordKind.FlowEnd, endReason: FlowEndReason.PeerClose),
            FlowLogSamples.Tcp(RecordKind.FlowEnd, NetworkRole.Server, error: 104, endReason: FlowEndReason.Error, peer: "192.0.2.7"));

        var spans = receiver.Spans.SelectMany(OtlpMessages.Spans).ToList();
        var flowId = (string)receiver.Logs.SelectMany(OtlpMessages.Logs).First().Attributes["flow.id"];
        Assert.Equal(2, spans.Count);
        Assert.Equal((flowId, flowId[16..], ""), (spans[0].TraceId, spans[0].SpanId, spans[0].ParentId));
        Assert.Equal((3, 0, 1_200_000_000UL), (spans[0].Kind, spans[0].Status, spans[0].EndNs - spans[0].StartNs));
        Assert.Equal((2, 2, "connection_reset"), (spans[1].Kind, spans[1].Status, spans[1].StatusMessage));
        Assert.Equal("connection_reset", spans[1].Attributes["error.type"]);
        Assert.NotEqual(spans[0].TraceId, spans[1].TraceId);
    }

    [Fact]
    public async Task Sends_the_kinds_it_was_asked_for()
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: false);
        var options = Options(receiver, grpc: false);
        options.LogKinds.Add("end");
        options.LogKinds.Add("failed");
        options.LogMinDuration = TimeSpan.FromSeconds(1);
        options.LogMinBytes = 100;
        using var flows = Some.OtlpFlows(options);

        await SendAsync(
            flows,
            FlowLogSamples.Tcp(RecordKind.FlowStart),
            FlowLogSamples.Tcp(RecordKind.FlowUpdate),
            FlowLogSamples.Tcp(RecordKind.FlowEnd, local: "10.0.0.1"),
            FlowLogSamples.Tcp(RecordKind.FlowEnd, local: "10.0.0.2", startedAtNs: FlowLogSamples.At - 999_999_999),
            FlowLogSamples.Tcp(RecordKind.FlowEnd, local: "10.0.0.3", bytesSent: 50, bytesReceived: 49),
            FlowLogSamples.Tcp(RecordKind.FlowFailed, error: 111, local: "10.0.0.4", startedAtNs: 0));

        Assert.Equal(
            ["flow.end 10.0.0.1", "flow.failed 10.0.0.4"],
            receiver.Logs.SelectMany(OtlpMessages.Logs).Select(log => $"{log.EventName} {log.Attributes["network.local.address"]}"));
        Assert.Equal(0, flows.Logs!.QueueFull + flows.Logs.Undeliverable);
    }

    [Fact]
    public async Task Samples_whole_flows()
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: false);
        var options = Options(receiver, grpc: false);
        options.LogSampling = 0.25;
        using var flows = Some.OtlpFlows(options);
        var records = Enumerable.Range(1, 4000).SelectMany(cookie => (FlowRecord[])
            [FlowLogSamples.Plain((ulong)cookie), FlowLogSamples.Plain((ulong)cookie, bytesSent: 5)]).ToArray();

        await SendAsync(flows, records);

        var perFlow = receiver.Logs.SelectMany(OtlpMessages.Logs).GroupBy(log => log.Attributes["flow.id"]).ToList();
        Assert.InRange(perFlow.Count, 800, 1200);
        Assert.All(perFlow, flow => Assert.Equal(2, flow.Count()));
    }

    [Fact]
    public async Task A_queue_that_is_full_costs_records_which_are_counted_and_never_the_readers_time()
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: false);
        var options = Options(receiver, grpc: false);
        options.QueueLength = 10;
        var losses = new LossLedger();
        using var flows = Some.OtlpFlows(options, losses);

        for (var i = 0; i < 25; i++)
        {
            flows.OnRecord(FlowLogSamples.Plain((ulong)i + 1)); // Nobody takes them yet.
        }

        await SendAsync(flows);

        Assert.Equal(10, receiver.Logs.SelectMany(OtlpMessages.Logs).Count());
        Assert.Contains(losses.Read(), loss => loss is { Stage: "otlp_logs", Reason: "queue_full", Count: 15 });
    }

    internal static OtlpOptions Options(OtlpReceiver receiver, bool grpc) => new()
    {
        Endpoint = receiver.Endpoint,
        Protocol = grpc ? OtlpProtocol.Grpc : OtlpProtocol.HttpProtobuf,
    };

    private static async Task SendAsync(OtlpFlows flows, params FlowRecord[] records)
    {
        foreach (var record in records)
        {
            flows.OnRecord(in record);
        }

        await flows.StartAsync(CancellationToken.None);
        await flows.StopAsync(CancellationToken.None);
    }

    private static string Text(JsonElement value) => value.ValueKind == JsonValueKind.Number
        ? value.GetDouble().ToString(CultureInfo.InvariantCulture)
        : value.GetString()!;
}
