using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Exporters;

public sealed class AgentHttpServerTests : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private readonly FakeKernelTotals _kernel = new();
    private readonly ExportFailures _failures = new();
    private readonly Health _health;
    private readonly TrafficCollector _collector;
    private readonly PrometheusExporter _exporter;
    private readonly AgentHttpServer _server;
    private HttpClient _client = null!;

    public AgentHttpServerTests()
    {
        _health = new Health(_time);
        _collector = Some.TrafficCollector(_kernel, _time, health: _health);
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

    [Fact]
    public async Task Serves_text_to_anyone_and_OpenMetrics_to_whom_asks()
    {
        _kernel.Count(Some.Edge(), Some.Bytes(5));

        using var text = await Get("/metrics");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/metrics");
        request.Headers.Accept.Add(MediaTypeWithQualityHeaderValue.Parse("application/openmetrics-text; version=1.0.0"));
        using var openMetrics = await _client.SendAsync(request, Cancellation);

        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", text.Content.Headers.ContentType!.ToString());
        Assert.DoesNotContain("# EOF", await text.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
        Assert.Equal("application/openmetrics-text; version=1.0.0; charset=utf-8", openMetrics.Content.Headers.ContentType!.ToString());
        Assert.EndsWith("# EOF\n", await openMetrics.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Compresses_for_whom_can_read_it()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/metrics");
        request.Headers.AcceptEncoding.ParseAdd("gzip");

        using var response = await _client.SendAsync(request, Cancellation);

        Assert.Equal("gzip", Assert.Single(response.Content.Headers.ContentEncoding));
        await using var unpacked = new GZipStream(await response.Content.ReadAsStreamAsync(Cancellation), CompressionMode.Decompress);
        using var reader = new StreamReader(unpacked);
        Assert.Contains("sockwatch_build_info", await reader.ReadToEndAsync(Cancellation), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Serves_two_scrapes_at_once_from_one_collection()
    {
        _kernel.Gate.Reset();
        var first = GetText("/metrics");
        var second = GetText("/metrics");
        _kernel.Gate.Set();

        await Task.WhenAll(first, second);

        Assert.Equal(1, _kernel.Flushes);
    }

    [Fact]
    public async Task Lets_no_slow_reader_hold_up_another()
    {
        for (var i = 0; i < 90; i++)
        {
            _kernel.Count(Some.Edge($"198.51.100.{i}"), Some.Bytes(1) with { Sends = 1, Receives = 1, Connects = 1, Accepts = 1 });
            _kernel.Timings[Some.Edge($"198.51.100.{i}")] = new() { Rtt = Some.Latency(1), Connect = Some.Latency(1), Connection = Some.Latency(1) };
        }

        using var slow = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 1024 };
        await slow.ConnectAsync(IPAddress.Loopback, _server.Address!.Port, Cancellation);
        for (var i = 0; i < 20; i++)
        {
            await slow.SendAsync(Encoding.ASCII.GetBytes("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), SocketFlags.None, Cancellation);
        }

        await slow.ReceiveAsync(new byte[1], SocketFlags.None, Cancellation);
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(20));

        var page = await _client.GetStringAsync(new Uri("/metrics", UriKind.Relative), deadline.Token);

        Assert.Contains("198.51.100.89", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Says_what_readiness_lacks()
    {
        using var before = await Get("/readyz");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, before.StatusCode);
        Assert.Equal("not ready\nfirst drain: not done yet\nhooks: not attached yet\n", await before.Content.ReadAsStringAsync(Cancellation));

        _health.Met(Health.Hooks);
        _health.Met(Health.FirstDrain);

        Assert.Equal("ready\n", await GetText("/readyz"));
    }

    [Fact]
    public async Task Is_alive_until_a_heart_stops()
    {
        Assert.Equal("alive\n", await GetText("/livez"));

        _health.Beat("collection", TimeSpan.FromSeconds(1));
        _time.Advance(TimeSpan.FromSeconds(2));

        using var after = await Get("/livez");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, after.StatusCode);
    }

    [Fact]
    public async Task Shows_people_the_way()
    {
        using var home = await Get("/");

        Assert.Equal("text/html; charset=utf-8", home.Content.Headers.ContentType!.ToString());
        var page = await home.Content.ReadAsStringAsync(Cancellation);
        Assert.All(["/metrics", "/livez", "/readyz"], link => Assert.Contains($"href=\"{link}\"", page, StringComparison.Ordinal));
        Assert.Contains("hooks: not attached yet", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET", "/nowhere", HttpStatusCode.NotFound)]
    [InlineData("POST", "/metrics", HttpStatusCode.MethodNotAllowed)]
    [InlineData("HEAD", "/metrics", HttpStatusCode.OK)]
    public async Task Answers_other_requests_as_HTTP_asks(string method, string path, HttpStatusCode status)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);

        using var response = await _client.SendAsync(request, Cancellation);

        Assert.Equal(status, response.StatusCode);
    }

    [Fact]
    public async Task Counts_a_page_it_could_not_render()
    {
        var pages = new AgentPages(new BrokenReports(), _exporter, _health, _failures, new BuildInfo("0", "0"), NullLogger<AgentPages>.Instance);
        using var server = new AgentHttpServer(Options.Create(new HttpOptions { Listen = "127.0.0.1:0" }), pages, NullLogger<AgentHttpServer>.Instance);
        await server.StartAsync(CancellationToken.None);
        using var client = new HttpClient { BaseAddress = server.Address };

        using var response = await client.GetAsync(new Uri("/metrics", UriKind.Relative), Cancellation);

        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        Assert.Contains(new ExportFailure("prometheus", "render_failed", 1), _failures.Read());
        await server.StopAsync(CancellationToken.None);
    }

    [Fact]
    public async Task Says_in_one_line_that_the_port_is_taken_and_what_to_do()
    {
        using var second = Server($"127.0.0.1:{_server.Address!.Port}");

        var failure = await Assert.ThrowsAsync<ListenException>(() => second.StartAsync(CancellationToken.None));

        Assert.Equal(
            $"cannot listen on 127.0.0.1:{_server.Address.Port}: another program has the port; stop it, or choose another with --listen ADDRESS:PORT",
            failure.Message);
    }

    [Fact]
    public async Task Says_that_an_address_is_not_of_this_machine()
    {
        using var server = Server("198.51.100.1:0");

        var failure = await Assert.ThrowsAsync<ListenException>(() => server.StartAsync(CancellationToken.None));

        Assert.Contains("no interface of this machine has the address", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Listens_on_every_address_when_given_none()
    {
        using var server = Server(":0");

        await server.StartAsync(CancellationToken.None);

        using var client = new HttpClient();
        Assert.Equal("alive\n", await client.GetStringAsync(new Uri($"http://127.0.0.1:{server.Address!.Port}/livez"), Cancellation));
        await server.StopAsync(CancellationToken.None);
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private Task<HttpResponseMessage> Get(string path) => _client.GetAsync(new Uri(path, UriKind.Relative), Cancellation);

    private Task<string> GetText(string path) => _client.GetStringAsync(new Uri(path, UriKind.Relative), Cancellation);

    private AgentHttpServer Server(string listen) => new(
        Options.Create(new HttpOptions { Listen = listen }),
        new AgentPages(_collector, _exporter, _health, _failures, new BuildInfo("0.1.0", "6.18.0"), NullLogger<AgentPages>.Instance),
        NullLogger<AgentHttpServer>.Instance);

    private sealed class BrokenReports : IReportSource
    {
        public TrafficReport? Latest => null;

        public ValueTask<TrafficReport> FreshAsync(CancellationToken cancellation) => throw new InvalidOperationException("no report");
    }
}
