using System.Diagnostics;
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
    public async Task Gives_up_on_a_scraper_that_reads_a_byte_a_second_and_serves_the_others_meanwhile()
    {
        var large = Large(12_000);
        using var pages = Some.AgentPages(new FixedReport(large), _exporter, _health, _failures, sendLimit: TimeSpan.FromSeconds(3));
        using var server = new AgentHttpServer(Options.Create(new HttpOptions { Listen = "127.0.0.1:0" }), pages, NullLogger<AgentHttpServer>.Instance);
        await server.StartAsync(CancellationToken.None);
        using var client = new HttpClient { BaseAddress = server.Address };
        using var slow = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await slow.ConnectAsync(IPAddress.Loopback, server.Address!.Port, Cancellation);
        await slow.SendAsync("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray(), SocketFlags.None, Cancellation);
        var clock = Stopwatch.StartNew();
        var read = 0;
        var isOpen = true;
        while (isOpen && clock.Elapsed < TimeSpan.FromSeconds(90))
        {
            read += await slow.ReceiveAsync(new byte[1], SocketFlags.None, Cancellation);
            var page = clock.Elapsed < TimeSpan.FromSeconds(3) ? await client.GetStringAsync(new Uri("/metrics", UriKind.Relative), Cancellation) : "peer-12000";
            Assert.Contains("peer-12000", page, StringComparison.Ordinal);
            await Task.Delay(TimeSpan.FromSeconds(1), Cancellation);
            isOpen = _failures.Read().All(failure => failure.Count == 0);
        }

        Assert.Equal("timed_out", Assert.Single(_failures.Read(), failure => failure.Count > 0).Reason);
        Assert.InRange(clock.Elapsed.TotalSeconds, 3, 80);
        Assert.InRange(read, 1, 80);

        // The connection is gone, not merely idle: what was on its way can be read, and that is not the page.
        var rest = new byte[65_536];
        var got = 0;
        try
        {
            for (var count = 1; count > 0; got += count)
            {
                count = await slow.ReceiveAsync(rest, SocketFlags.None, Cancellation);
            }
        }
        catch (SocketException)
        {
            // Reset.
        }

        Assert.InRange(got, 0, 8_000_000);
        await server.StopAsync(CancellationToken.None);
    }

    [Fact]
    public async Task Lets_those_who_say_nothing_keep_others_out_for_a_moment_only()
    {
        using var server = Server("127.0.0.1:0", TimeSpan.FromSeconds(1));
        await server.StartAsync(CancellationToken.None);
        List<Socket> idle = [];
        for (var i = 0; i < 128; i++)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            idle.Add(socket);
            await socket.ConnectAsync(IPAddress.Loopback, server.Address!.Port, Cancellation);
            if (i % 2 == 0)
            {
                await socket.SendAsync("GET /livez HTTP/1.1\r\nHost: x"u8.ToArray(), SocketFlags.None, Cancellation);
            }
        }

        using var client = new HttpClient { BaseAddress = server.Address };
        await Some.UntilAsync(() => IsAlive(client), TimeSpan.FromSeconds(15));

        idle.ForEach(socket => socket.Dispose());
        await server.StopAsync(CancellationToken.None);

        static bool IsAlive(HttpClient client)
        {
            try
            {
                using var answer = client.Send(new HttpRequestMessage(HttpMethod.Get, "/livez"), Cancellation);
                return answer.IsSuccessStatusCode;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        }
    }

    [Fact]
    public async Task Serves_only_so_many_scrapers_at_once()
    {
        _kernel.Gate.Reset();
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var asked = Enumerable.Range(0, 40).Select(_ => _client.GetAsync(new Uri("/metrics", UriKind.Relative), deadline.Token)).ToList();
        await Some.UntilAsync(() => asked.Count(one => one.IsCompleted) == 24, TimeSpan.FromSeconds(60));

        Assert.Equal("alive\n", await GetText("/livez"));
        _kernel.Gate.Set();
        var answers = await Task.WhenAll(asked);

        Assert.Equal(16, answers.Count(one => one.StatusCode == HttpStatusCode.OK));
        Assert.Equal(24, answers.Count(one => one.StatusCode == HttpStatusCode.ServiceUnavailable && one.Headers.RetryAfter is not null));
        Assert.Equal(1, _kernel.Flushes);
        Assert.Contains(new ExportFailure("prometheus", "too_many", 24), _failures.Read());
        Array.ForEach(answers, one => one.Dispose());
    }

    [Fact]
    public async Task Keeps_only_so_many_bytes_of_pages_for_scrapers_that_do_not_read_them()
    {
        const int limit = 40 << 20;
        var large = Large(20_000);
        using var pages = Some.AgentPages(new FixedReport(large), _exporter, _health, _failures, sendLimit: TimeSpan.FromSeconds(60), maxBytes: limit);
        using var server = new AgentHttpServer(Options.Create(new HttpOptions { Listen = "127.0.0.1:0" }), pages, NullLogger<AgentHttpServer>.Instance);
        await server.StartAsync(CancellationToken.None);
        using var client = new HttpClient { BaseAddress = server.Address };
        var size = (await client.GetStringAsync(new Uri("/metrics", UriKind.Relative), Cancellation)).Length;
        Assert.InRange(size, 9 << 20, 20 << 20);
        var crawlers = new List<Socket>();
        for (var i = 0; i < 8; i++)
        {
            var slow = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
            crawlers.Add(slow);
            await slow.ConnectAsync(IPAddress.Loopback, server.Address!.Port, Cancellation);
            await slow.SendAsync("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray(), SocketFlags.None, Cancellation);
        }

        var fit = limit / size;
        long Refused() => _failures.Read().Single(failure => failure is { Exporter: "prometheus", Reason: "too_large" }).Count;
        await Some.UntilAsync(() => Refused() >= 8 - fit, TimeSpan.FromSeconds(60));
        using var refused = await client.GetAsync(new Uri("/metrics", UriKind.Relative), Cancellation);
        Assert.Equal(8 - fit + 1, Refused());
        Assert.Equal((HttpStatusCode.ServiceUnavailable, true), (refused.StatusCode, refused.Headers.RetryAfter is not null));
        Assert.Equal("pages of 40 MiB wait for their scrapers to read them already\n", await refused.Content.ReadAsStringAsync(Cancellation));

        crawlers.ForEach(slow => slow.Dispose());
        await Some.UntilAsync(() => client.GetAsync(new Uri("/metrics", UriKind.Relative)).GetAwaiter().GetResult().IsSuccessStatusCode, TimeSpan.FromSeconds(60));
        await server.StopAsync(CancellationToken.None);
    }

    [Fact]
    public async Task Does_not_wait_for_a_crawling_scraper_when_it_is_to_stop()
    {
        var large = Large(20_000);
        using var pages = Some.AgentPages(new FixedReport(large), _exporter, _health, _failures);
        using var server = new AgentHttpServer(Options.Create(new HttpOptions { Listen = "127.0.0.1:0" }), pages, NullLogger<AgentHttpServer>.Instance);
        await server.StartAsync(CancellationToken.None);
        using var slow = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await slow.ConnectAsync(IPAddress.Loopback, server.Address!.Port, Cancellation);
        await slow.SendAsync("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray(), SocketFlags.None, Cancellation);
        await slow.ReceiveAsync(new byte[1], SocketFlags.None, Cancellation);
        var clock = Stopwatch.StartNew();

        await server.StopAsync(CancellationToken.None);

        Assert.InRange(clock.Elapsed.TotalSeconds, 0.3, 2.5);
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
        Assert.All(["metrics", "livez", "readyz"], link => Assert.Contains($"href=\"{link}\"", page, StringComparison.Ordinal));
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
        using var pages = Some.AgentPages(new BrokenReports(), _exporter, _health, _failures, _time);
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

    private static TrafficReport Large(int series) => TrafficReport.Empty with
    {
        Series = [.. Enumerable.Range(1, series).Select(i => new TrafficSeries(
            i, Some.Attributes(workload: new string('x', 300), peer: $"peer-{i}"), DateTimeOffset.UnixEpoch, Some.Bytes((ulong)i), 0, null, []))],
    };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private Task<HttpResponseMessage> Get(string path) => _client.GetAsync(new Uri(path, UriKind.Relative), Cancellation);

    private Task<string> GetText(string path) => _client.GetStringAsync(new Uri(path, UriKind.Relative), Cancellation);

    private AgentHttpServer Server(string listen, TimeSpan? patience = null) => new(
        Options.Create(new HttpOptions { Listen = listen }),
        Some.AgentPages(_collector, _exporter, _health, _failures, _time),
        NullLogger<AgentHttpServer>.Instance)
    {
        IdleLimit = patience ?? TimeSpan.FromSeconds(20),
        RequestHeadLimit = patience ?? TimeSpan.FromSeconds(5),
    };

    private sealed class BrokenReports : IReportSource
    {
        public TrafficReport? Latest => null;

        public ValueTask<TrafficReport> FreshAsync(CancellationToken cancellation) => throw new InvalidOperationException("no report");
    }
}
