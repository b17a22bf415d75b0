using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters;
using Sockwatch.Exporters.Page;
using Sockwatch.Kernel;
using Sockwatch.Tests.Fakes;
using Sockwatch.Verdicts;
using Xunit;

namespace Sockwatch.Tests.Exporters.Page;

/// <summary>The page and its API over real sockets; tests/page drives them with a browser.</summary>
public sealed class LocalPageTests : IAsyncLifetime
{
    private const string Hostile = "<script>alert(1)</script>\"'&";

    private readonly ManualTime _time = new();
    private readonly FakeKernelTotals _kernel = new();
    private readonly HostileNames _names = new();
    private readonly ExportFailures _failures = new();
    private readonly RecentRecords _recent = Some.RecentRecords(limit: 100);
    private readonly TrafficCollector _collector;
    private readonly PrometheusExporter _exporter;
    private AgentHttpServer _server;
    private HttpClient _client = null!;

    public LocalPageTests()
    {
        _collector = Some.TrafficCollector(_kernel, _time, Some.TrafficTable(_names, _time));
        _exporter = new PrometheusExporter(new BuildInfo("0.1.0", "6.18.0"), _failures);
        _server = Server("127.0.0.1:0");
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

    [Theory]
    [InlineData("/")]
    [InlineData("/api/v1/edges")]
    [InlineData("/assets/page.js")]
    public async Task Lets_a_browser_load_and_run_nothing_but_its_own(string path)
    {
        using var answer = await Get(path);

        Assert.Equal(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
            + "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
            Assert.Single(answer.Headers.GetValues("Content-Security-Policy")));
        Assert.Equal("nosniff", Assert.Single(answer.Headers.GetValues("X-Content-Type-Options")));
        Assert.Equal("DENY", Assert.Single(answer.Headers.GetValues("X-Frame-Options")));
        Assert.Equal("no-referrer", Assert.Single(answer.Headers.GetValues("Referrer-Policy")));
        Assert.Equal("same-origin", Assert.Single(answer.Headers.GetValues("Cross-Origin-Resource-Policy")));
        Assert.False(answer.Headers.Contains("Access-Control-Allow-Origin"));
    }

    [Fact]
    public async Task A_hostile_name_is_text_on_every_face()
    {
        _names.Name = Hostile;
        _kernel.Count(Some.Edge(), Some.Bytes(5));
        _recent.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowFailed, error: 111));

        var page = await GetText("/?edge=2&q=" + Uri.EscapeDataString(Hostile));
        var edges = await GetText("/api/v1/edges");
        var events = await GetJson("/api/v1/events");

        Assert.Contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<script>alert", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<script>", edges, StringComparison.Ordinal);
        Assert.Equal(Hostile, JsonDocument.Parse(edges).RootElement.GetProperty("edges")[0].GetProperty("workload.name").GetString());
        Assert.Equal(Hostile, events.GetProperty("events")[0].GetProperty("process.executable.name").GetString());
    }

    [Fact]
    public async Task Shows_a_detection_beside_failures_by_the_name_on_the_list()
    {
        _recent.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowFailed, error: 111));
        _recent.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowDetect, pid: 15457));

        var page = await GetText("/");
        var events = (await GetJson("/api/v1/events")).GetProperty("events");

        Assert.Contains("<li class=\"detected\">", page, StringComparison.Ordinal);
        Assert.Contains("<span class=\"what\" data-f=\"what\">Bad Example</span>", page, StringComparison.Ordinal);
        Assert.Equal(("flow.detect", "Bad Example"), (events[0].GetProperty("event.name").GetString(), events[0].GetProperty("detection.name").GetString()));
    }

    [Fact]
    public async Task Is_useful_without_a_script()
    {
        _kernel.Count(Some.Edge("198.51.100.1"), Some.Bytes(5_000));
        _kernel.Count(Some.Edge("198.51.100.2"), Some.Bytes(9_000));
        _recent.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowFailed, error: 111, pid: 15455));

        var page = await GetText("/?sort=sent&order=asc");
        var found = await GetText("/?q=198.51.100.2");

        Assert.True(page.IndexOf("198.51.100.1", StringComparison.Ordinal) < page.IndexOf("198.51.100.2", StringComparison.Ordinal));
        Assert.Contains("9 kB", page, StringComparison.Ordinal);
        Assert.Contains("connection refused", page, StringComparison.Ordinal);
        Assert.Contains("pid 15455", page, StringComparison.Ordinal);
        Assert.Contains(">tracepoint<", page, StringComparison.Ordinal);
        Assert.DoesNotContain("198.51.100.1<", found, StringComparison.Ordinal);
        Assert.Contains("1 of 2", found, StringComparison.Ordinal);
    }

    [Fact]
    public async Task However_many_ask_at_once_the_totals_are_read_once()
    {
        _kernel.Gate.Reset();
        var answers = new[] { "/", "/api/v1/node", "/api/v1/edges", "/api/v1/map", "/metrics" }.Select(GetText).ToList();
        _kernel.Gate.Set();

        await Task.WhenAll(answers);

        Assert.Equal(1, _kernel.Flushes);
    }

    [Fact]
    public async Task An_edge_in_full_has_its_processes_from_the_recent_records()
    {
        _kernel.Count(Some.Edge(), Some.Bytes(5) with { Connects = 1, Sends = 3 });
        _kernel.Timings[Some.Edge()] = new() { Connect = Some.Latency(60_000) };
        _kernel.Failures[new EdgeFailureKey { Edge = Some.Edge(), Operation = SocketOperation.Connect, Error = 111 }] = new EdgeFailures { Count = 4 };
        _recent.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowStart, pid: 15455));
        _recent.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowEnd, pid: 15455));
        _recent.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowFailed, pid: 15456, error: 111));
        _recent.OnRecord(FlowLogSamples.Udp(RecordKind.FlowEnd));
        var id = (await GetJson("/api/v1/edges")).GetProperty("edges")[0].GetProperty("id").GetInt64();

        var edge = await GetJson($"/api/v1/edges/{id}");

        Assert.Equal([15455, 15456], edge.GetProperty("processes").EnumerateArray().Select(one => one.GetProperty("process.pid").GetInt32()).Order());
        Assert.Equal("/usr/bin/curl", edge.GetProperty("processes")[0].GetProperty("process.executable.path").GetString());
        Assert.Equal("0123456789ab", edge.GetProperty("processes")[0].GetProperty("container.id").GetString());
        Assert.Equal(3, edge.GetProperty("records").GetArrayLength());
        Assert.Equal(4, edge.GetProperty("errors")[0].GetProperty("count").GetInt32());
        Assert.Equal(3, edge.GetProperty("sends").GetInt32());
        Assert.InRange(edge.GetProperty("latency").GetProperty("connect").GetProperty("p50").GetDouble(), 50e-6, 100e-6);
    }

    [Fact]
    public async Task Says_what_is_wrong_with_a_request_in_one_line()
    {
        using var gone = await Get("/api/v1/edges/4711");
        using var unknown = await Get("/api/v1/secrets");
        using var bad = await Get("/api/v1/edges?limit=9999");
        using var badPage = await Get("/?sort=colour");

        Assert.Equal(HttpStatusCode.NotFound, gone.StatusCode);
        Assert.Equal("edge 4711 is not, or no longer, in the report", await Error(gone));
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
        Assert.Equal("not found; there are node, edges, edges/ID, map and events", await Error(unknown));
        Assert.Equal(HttpStatusCode.BadRequest, bad.StatusCode);
        Assert.Equal("limit is \"9999\": expected a whole number from 1 to 500", await Error(bad));
        Assert.Equal(HttpStatusCode.BadRequest, badPage.StatusCode);

        static async Task<string?> Error(HttpResponseMessage answer) =>
            JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Cancellation)).RootElement.GetProperty("error").GetString();
    }

    [Fact]
    public async Task Sends_its_files_once_and_again_when_they_changed()
    {
        using var first = await Get("/assets/page.css");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/assets/page.css");
        request.Headers.IfNoneMatch.Add(first.Headers.ETag!);
        using var second = await _client.SendAsync(request, Cancellation);
        using var outside = await Get("/assets/../page.css");

        Assert.Equal("text/css; charset=utf-8", first.Content.Headers.ContentType!.ToString());
        Assert.Equal(HttpStatusCode.NotModified, second.StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, outside.StatusCode);
    }

    [Theory]
    [InlineData("localhost:9807", HttpStatusCode.OK)]
    [InlineData("127.0.0.1:9807", HttpStatusCode.OK)]
    [InlineData("[::1]:9807", HttpStatusCode.OK)]
    [InlineData("page.localhost", HttpStatusCode.OK)]
    [InlineData("rebound.example", HttpStatusCode.MisdirectedRequest)]
    [InlineData("localhost.example", HttpStatusCode.MisdirectedRequest)]
    public async Task A_name_that_somebody_made_lead_here_reads_nothing(string host, HttpStatusCode status)
    {
        foreach (var path in (string[])["/", "/api/v1/events"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            request.Headers.Host = host;
            using var answer = await _client.SendAsync(request, Cancellation);
            Assert.Equal(status, answer.StatusCode);
        }
    }

    [Fact]
    public async Task A_listener_for_other_machines_goes_by_any_name()
    {
        using var server = Server(":0");
        await server.StartAsync(CancellationToken.None);
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri($"http://127.0.0.1:{server.Address!.Port}/api/v1/node"));
        request.Headers.Host = "node-7.cluster.example";

        using var answer = await client.SendAsync(request, Cancellation);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await server.StopAsync(CancellationToken.None);
    }

    [Fact]
    public async Task Changes_nothing_and_answers_HEAD_without_a_body()
    {
        using var post = await _client.PostAsync(new Uri("/api/v1/edges", UriKind.Relative), null, Cancellation);
        using var head = await _client.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/api/v1/node"), Cancellation);

        Assert.Equal(HttpStatusCode.MethodNotAllowed, post.StatusCode);
        Assert.Equal(HttpStatusCode.OK, head.StatusCode);
        Assert.Empty(await head.Content.ReadAsByteArrayAsync(Cancellation));
    }

    [Fact]
    public async Task Counts_a_page_it_could_not_render()
    {
        var pages = Some.AgentPages(new BrokenReports(), _exporter, failures: _failures);
        using var server = new AgentHttpServer(Options.Create(new HttpOptions { Listen = "127.0.0.1:0" }), pages, NullLogger<AgentHttpServer>.Instance);
        await server.StartAsync(CancellationToken.None);
        using var client = new HttpClient { BaseAddress = server.Address };

        using var answer = await client.GetAsync(new Uri("/api/v1/edges", UriKind.Relative), Cancellation);

        Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
        Assert.Contains(new ExportFailure("page", "render_failed", 1), _failures.Read());
        await server.StopAsync(CancellationToken.None);
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private Task<HttpResponseMessage> Get(string path) => _client.GetAsync(new Uri(path, UriKind.Relative), Cancellation);

    private Task<string> GetText(string path) => _client.GetStringAsync(new Uri(path, UriKind.Relative), Cancellation);

    private async Task<JsonElement> GetJson(string path) => JsonDocument.Parse(await GetText(path)).RootElement;

    private AgentHttpServer Server(string listen)
    {
        var options = new HttpOptions { Listen = listen };
        return new AgentHttpServer(
            Options.Create(options),
            Some.AgentPages(_collector, _exporter, failures: _failures, time: _time, recent: _recent, naming: _names, options: options),
            NullLogger<AgentHttpServer>.Instance);
    }

    /// <summary>Names edges after their peer's address, and all else as a test says.</summary>
    private sealed class HostileNames : IEdgeNaming, IFlowNaming
    {
        public string Name { get; set; } = "curl";

        EdgeAttributes IEdgeNaming.Name(in EdgeKey key) => NameOf(key);

        EdgeAttributes IFlowNaming.Name(in FlowRecord record) => NameOf(record.Edge);

        public string? ExecutablePath(ulong id) => $"/usr/bin/{Name}";

        public string? ContainerId(ulong cgroupId) => "0123456789ab";

        public PodNames? Pod(ulong cgroupId) => null;

        public Detection? Detection(int number) => new(7, "Bad Example");

        // The samples of records and of edges differ in their addresses only.
        private EdgeAttributes NameOf(in EdgeKey key) => new(
            "", "Process", Name, Name, "client", "public", "", Name == "curl" ? "" : "Dns",
            key.PeerAddress.ToString() is var address && address.StartsWith("93.", StringComparison.Ordinal) ? "198.51.100.1" : address,
            "443", TransportProtocol.Name(key.Transport), "ipv4");
    }

    private sealed class BrokenReports : IReportSource
    {
        public TrafficReport? Latest => null;

        public ValueTask<TrafficReport> FreshAsync(CancellationToken cancellation) => throw new InvalidOperationException("no report");
    }
}
