using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Sockwatch.Aggregation;
using Sockwatch.Commands.Top;
using Sockwatch.Diagnostics;
using Sockwatch.Enrichment;
using Sockwatch.Exporters;
using Sockwatch.Exporters.Otlp;
using Sockwatch.Exporters.Page;
using Sockwatch.Exporters.Top;
using Sockwatch.Kernel;
using Sockwatch.Tests.Exporters.Otlp;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Exporters;

/// <summary>
/// Names that others choose (executables, units, networks, pods and peers of the cluster), with everything in them that could break a face, and
/// 64 KiB long, from naming to what each face shows.
/// </summary>
public sealed class HostileNamesTests : IAsyncLifetime
{
    private const string Start = "a\"b\\c";
    private static readonly string Hostile = Start + "\nd\te\r\0\u001b[31mf\u202Eg\u2028<script>'&{}" + Encoding.UTF8.GetString([0xff, 0xc3, 0x28]) + "\ud800" + new string('x', 65_536);

    private readonly ManualTime _time = new();
    private readonly RecentRecords _recent = Some.RecentRecords();
    private readonly FakeKernelTotals _kernel = new()
    {
        Executables = { [9] = "/opt/" + Hostile, [2] = "/" + Hostile },
        Cgroups =
        {
            [2] = "/system.slice/" + Hostile + ".service",
            [5] = "/kubepods/pod0a1b2c3d-1111-2222-3333-444455556666/3f4e9d0c1b2a3f4e9d0c1b2a3f4e9d0c1b2a3f4e9d0c1b2a3f4e9d0c1b2a3f4e",
        },
    };

    private readonly EdgeNaming _naming;
    private readonly TrafficCollector _collector;
    private readonly PrometheusExporter _exporter;
    private readonly AgentHttpServer _server;
    private HttpClient _client = null!;

    public HostileNamesTests()
    {
        var cluster = new FakeCluster();
        var workload = new Workload(Hostile, Hostile, Hostile);
        cluster.PodsByUid["0a1b2c3d-1111-2222-3333-444455556666"] = new LocalPod(workload, new PodNames("shop", Hostile, "uid", Hostile, "node", [new("k8s.pod.annotation.note", Hostile)]));
        cluster.Peers["198.51.100.9"] = [(DateTimeOffset.MinValue, new RemotePeer(workload, PeerClass.Pod))];
        _naming = Some.EdgeNaming(
            _kernel, _time, networks: new() { [Hostile] = ["93.184.216.0/24", "198.51.100.0/30"] }, pods: cluster, cluster: cluster, clock: FlowLogSamples.Clock());
        _collector = Some.TrafficCollector(_kernel, _time, Some.TrafficTable(_naming, _time));
        var options = new AggregationOptions { AddAttributes = { "process.executable.path", "container.id", "k8s.pod.name" } };
        _exporter = new PrometheusExporter(new BuildInfo("0.1.0", "6.18.0"), new ExportFailures(), options: Options.Create(options));
        _server = new AgentHttpServer(
            Options.Create(new HttpOptions { Listen = "127.0.0.1:0" }),
            Some.AgentPages(_collector, _exporter, time: _time, recent: _recent, naming: _naming),
            NullLogger<AgentHttpServer>.Instance);
        _kernel.Count(Some.Edge("198.51.100.1", cgroup: 2, executable: 2), Some.Bytes(5));
        _kernel.Count(Some.Edge("198.51.100.9", cgroup: 5, executable: 9), Some.Bytes(7));
        _recent.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowFailed, error: 111));
    }

    public async ValueTask InitializeAsync()
    {
        await _server.StartAsync(CancellationToken.None);
        _client = new HttpClient { BaseAddress = _server.Address };
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _server.StopAsync(CancellationToken.None);
        _server.Dispose();
        _exporter.Dispose();
        _collector.Dispose();
    }

    [Fact]
    public void Naming_makes_them_printable_and_cuts_them()
    {
        foreach (var edge in _kernel.Edges.Keys)
        {
            var names = _naming.Name(edge);
            string[] all = [names.WorkloadName, names.WorkloadKind, names.WorkloadNamespace, names.ProcessExecutableName, names.ProcessExecutablePath, names.PeerName, names.PeerKind, names.PodName];

            Assert.All(all, name => AssertPrintable(name, EdgeNaming.MaxNameLength + 1));
            Assert.StartsWith(Start, names.WorkloadName, StringComparison.Ordinal);
            Assert.StartsWith(Start, names.PeerName, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("text/plain")]
    [InlineData("application/openmetrics-text")]
    public async Task Metrics_are_lines_of_escaped_labels(string format)
    {
        var page = await Get("/metrics", format);

        Assert.All(page.Split('\n'), line => AssertPrintable(line, 4096));
        Assert.Contains("workload_name=\"a\\\"b\\\\c", page, StringComparison.Ordinal);
        Assert.Contains("peer_name=\"a\\\"b\\\\c", page, StringComparison.Ordinal);
        Assert.Equal(2, page.Split('\n').Count(line => line.StartsWith("sockwatch_socket_io_bytes_total{", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/?edge=0")]
    public async Task The_page_shows_them_as_text(string path)
    {
        var page = await Get(path, "text/html");

        Assert.DoesNotContain("<script>'", page, StringComparison.Ordinal);
        Assert.Contains("a&quot;b\\c", page, StringComparison.Ordinal);
        Assert.All(page.Split('\n'), line => AssertPrintable(line, int.MaxValue));
    }

    [Theory]
    [InlineData("/api/v1/edges")]
    [InlineData("/api/v1/events")]
    public async Task The_pages_own_interface_is_whole_json(string path)
    {
        using var json = JsonDocument.Parse(await Get(path, "application/json"));

        AssertTexts(json.RootElement);
        Assert.Contains(Texts(json.RootElement), text => text.StartsWith(Start, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Otlp_carries_them_whole(bool grpc)
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc);
        var options = new OtlpOptions { Endpoint = receiver.Endpoint, Protocol = grpc ? OtlpProtocol.Grpc : OtlpProtocol.HttpProtobuf, Spans = true };
        using var metrics = Some.OtlpMetrics(options);
        using var flows = Some.OtlpFlows(options, naming: _naming);

        metrics.Push(await _collector.FreshAsync(CancellationToken.None));
        await flows.StartAsync(CancellationToken.None);
        flows.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowEnd));
        await flows.StopAsync(CancellationToken.None);

        var texts = receiver.Metrics.SelectMany(OtlpMessages.Points).SelectMany(point => point.Attributes.Values)
            .Concat(receiver.Logs.SelectMany(OtlpMessages.Logs).SelectMany(log => log.Attributes.Values.OfType<string>()))
            .Concat(receiver.Spans.SelectMany(OtlpMessages.Spans).SelectMany(span => span.Attributes.Values.OfType<string>().Append(span.Name)))
            .ToList();
        Assert.Single(receiver.Logs.SelectMany(OtlpMessages.Logs));
        Assert.Single(receiver.Spans.SelectMany(OtlpMessages.Spans));
        Assert.All(texts, text => AssertPrintable(text, 1025));
        Assert.True(texts.Count(text => text.StartsWith(Start, StringComparison.Ordinal)) >= 6, string.Join('\n', texts));
    }

    [Fact]
    public async Task Top_has_a_line_for_each_conversation()
    {
        var before = new TrafficReport { Time = _time.GetUtcNow().AddSeconds(-1) };
        var rows = TopRows.By(TopOrder.Bytes, TopRows.Between(before, await _collector.FreshAsync(CancellationToken.None)));

        var lines = TopTable.ToText(rows).Split('\n', StringSplitOptions.RemoveEmptyEntries);

        Assert.Equal(1 + 2, lines.Length);
        Assert.All(lines, line => AssertPrintable(line.TrimEnd('\r'), 256));
        Assert.All(lines[1..], line => Assert.StartsWith(Start, line, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(RecordKindOf.Start)]
    [InlineData(RecordKindOf.End)]
    [InlineData(RecordKindOf.Failed)]
    public void A_record_is_one_line_in_every_format(RecordKindOf kind)
    {
        using var json = new FlowLogJson(_naming, FlowLogSamples.Clock(), new FlowLogIdentity(new HostPaths()));
        IFlowLineFormat[] formats = [json, new FlowLogText(_naming, FlowLogSamples.Clock(), TimeZoneInfo.Utc), new TraceLine(_naming, FlowLogSamples.Clock())];
        var record = FlowLogSamples.Tcp((RecordKind)kind, error: (ushort)(kind == RecordKindOf.Failed ? 111 : 0), operation: kind == RecordKindOf.End ? SocketOperation.Release : SocketOperation.Connect);

        foreach (var format in formats)
        {
            var line = FlowLogSamples.Line(format, record);

            Assert.EndsWith("\n", line, StringComparison.Ordinal);
            AssertPrintable(line[..^1], 8192);
        }

        using var document = JsonDocument.Parse(FlowLogSamples.Line(json, record));
        AssertTexts(document.RootElement);
        Assert.StartsWith(Start, document.RootElement.GetProperty("peer.name").GetString(), StringComparison.Ordinal);
    }

    private static void AssertPrintable(string text, int limit)
    {
        Assert.True(text.Length <= limit, $"{text.Length} characters: {text[..Math.Min(100, text.Length)]}");
        Assert.Equal(text, PrintableText.Of(text, int.MaxValue));
        Assert.Equal(text, Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)));
    }

    private static void AssertTexts(JsonElement json) => Assert.All(Texts(json), text => AssertPrintable(text, 1025));

    private static IEnumerable<string> Texts(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Object => json.EnumerateObject().SelectMany(one => Texts(one.Value)),
        JsonValueKind.Array => json.EnumerateArray().SelectMany(Texts),
        JsonValueKind.String => [json.GetString()!],
        _ => [],
    };

    private async Task<string> Get(string path, string accept)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(accept));
        using var response = await _client.SendAsync(request);
        response.EnsureSuccessStatusCode();
        var bytes = await response.Content.ReadAsByteArrayAsync();
        return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);
    }

    /// <summary>The same as <see cref="RecordKind"/>, where a test's arguments can see it.</summary>
    public enum RecordKindOf
    {
        Start = (int)RecordKind.FlowStart,
        End = (int)RecordKind.FlowEnd,
        Failed = (int)RecordKind.FlowFailed,
    }
}
