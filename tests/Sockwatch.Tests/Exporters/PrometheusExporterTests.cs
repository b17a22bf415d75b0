using System.Diagnostics;
using System.Text;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters;
using Sockwatch.Kernel;
using Sockwatch.Reader;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Exporters;

public sealed class PrometheusExporterTests : IDisposable
{
    private const string Nginx =
        "workload_namespace=\"\",workload_kind=\"SystemdUnit\",workload_name=\"nginx.service\",process_executable_name=\"nginx\"," +
        "network_role=\"client\",peer_class=\"public\",peer_namespace=\"\",peer_kind=\"Cidr\",peer_name=\"198.51.100.1\"," +
        "server_port=\"443\",network_transport=\"tcp\",network_type=\"ipv4\"";

    private readonly ManualTime _time = new();
    private readonly FakeKernelTotals _kernel = new();
    private readonly NamesByAddress _naming = new();
    private readonly PrometheusExporter _exporter = new(new BuildInfo("0.1.0", "6.18.0"), new ExportFailures());
    private readonly TrafficTable _table;
    private readonly TrafficCollector _collector;

    public PrometheusExporterTests()
    {
        _table = Some.TrafficTable(_naming, _time, maxSeries: 100);
        _collector = Some.TrafficCollector(_kernel, _time, _table);
    }

    public void Dispose()
    {
        _collector.Dispose();
        _exporter.Dispose();
    }

    [Fact]
    public async Task Shows_what_an_edge_counted_and_no_series_of_zero()
    {
        _kernel.Count(Some.Edge(), new EdgeTotals
        {
            BytesSent = 5, BytesReceived = 7, Sends = 2, Receives = 3, Connects = 1, Opened = 2, Closed = 1, ResetsReceived = 1,
        });
        _kernel.Failures[new EdgeFailureKey { Edge = Some.Edge(), Error = 111, Operation = SocketOperation.Connect }] =
            new EdgeFailures { Count = 4, Duration = Some.Latency(60_000) };

        var page = await Page();

        Assert.Equal(
            [
                $"sockwatch_connect_duration_seconds_count{{{Nginx},error_type=\"connection_refused\"}} 1",
                $"sockwatch_connections_open{{{Nginx}}} 1",
                $"sockwatch_socket_io_bytes_total{{{Nginx},network_io_direction=\"receive\"}} 7",
                $"sockwatch_socket_io_bytes_total{{{Nginx},network_io_direction=\"transmit\"}} 5",
                $"sockwatch_socket_operations_total{{{Nginx},socket_operation=\"connect\",error_type=\"\"}} 1",
                $"sockwatch_socket_operations_total{{{Nginx},socket_operation=\"connect\",error_type=\"connection_refused\"}} 4",
                $"sockwatch_socket_operations_total{{{Nginx},socket_operation=\"recv\",error_type=\"\"}} 3",
                $"sockwatch_socket_operations_total{{{Nginx},socket_operation=\"send\",error_type=\"\"}} 2",
                $"sockwatch_tcp_resets_total{{{Nginx},network_io_direction=\"receive\"}} 1",
            ],
            Samples(page).Where(line => line.Contains("workload_name", StringComparison.Ordinal) && !line.Contains("_bucket", StringComparison.Ordinal) && !line.Contains("_sum", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Speaks_about_itself_from_the_first_page()
    {
        var page = await Page(TrafficReport.Empty with
        {
            Losses = new LossLedger().Read(),
            Hooks = [new HookReport("send", "tracepoint", "attached")],
            Maps = [new MapOccupancy("edges", 3, 65_536)],
            Programs = [new ProgramCost("on_send", TimeSpan.FromMilliseconds(1.5), 10)],
            Observed = new ObservedBytes(5, 7),
        });

        string[] expected =
        [
            """sockwatch_bpf_map_entries{map="edges"} 3""",
            """sockwatch_bpf_map_max_entries{map="edges"} 65536""",
            """sockwatch_bpf_program_run_seconds_total{program="on_send"} 0.0015""",
            """sockwatch_bpf_program_runs_total{program="on_send"} 10""",
            """sockwatch_build_info{version="0.1.0",kernel="6.18.0"} 1""",
            "sockwatch_collection_failures_total 0",
            """sockwatch_export_failures_total{exporter="prometheus",reason="render_failed"} 0""",
            """sockwatch_hook_info{operation="send",backend="tracepoint",state="attached"} 1""",
            """sockwatch_lost_records_total{stage="kernel",reason="ring_full"} 0""",
            """sockwatch_lost_records_total{stage="kernel",reason="program_recursion"} 0""",
            """sockwatch_lost_records_total{stage="flow_log",reason="queue_full"} 0""",
            """sockwatch_observed_bytes_total{network_io_direction="receive"} 7""",
            """sockwatch_observed_bytes_total{network_io_direction="transmit"} 5""",
            """sockwatch_series_folded_total{metric="sockwatch_socket_io_bytes_total"} 0""",
        ];
        Assert.All(expected, line => Assert.Contains(line, Samples(page)));
    }

    [Fact]
    public async Task Takes_a_hook_that_is_no_longer_in_use_off_the_page()
    {
        await Page(TrafficReport.Empty with { Hooks = [new HookReport("send", "tracepoint", "attached")] });

        var page = await Page(TrafficReport.Empty with { Hooks = [new HookReport("send", "fentry", "attached")] });

        Assert.Equal(["sockwatch_hook_info{operation=\"send\",backend=\"fentry\",state=\"attached\"} 1"], Samples(page, "sockwatch_hook_info"));
    }

    [Fact]
    public async Task Shows_the_overflow_and_the_budget()
    {
        for (var i = 1; i <= 4; i++)
        {
            _kernel.Count(Some.Edge($"198.51.100.{i}"), Some.Bytes((ulong)i * 10));
        }

        using var collector = Some.TrafficCollector(_kernel, _time, Some.TrafficTable(_naming, _time, maxSeries: 3));
        var page = await Page(await collector.FreshAsync(CancellationToken.None));

        Assert.Contains(Samples(page, "sockwatch_socket_io_bytes_total"), line =>
            line.Contains("workload_name=\"\"", StringComparison.Ordinal)
            && line.Contains("peer_name=\"_overflow\"", StringComparison.Ordinal)
            && line.EndsWith("network_io_direction=\"transmit\"} 30", StringComparison.Ordinal));
        Assert.Contains("sockwatch_series{metric=\"sockwatch_socket_io_bytes_total\"} 3", Samples(page));
        Assert.Contains("sockwatch_series_limit{metric=\"sockwatch_socket_io_bytes_total\"} 3", Samples(page));
        Assert.Contains("sockwatch_series_folded_total{metric=\"sockwatch_socket_io_bytes_total\"} 2", Samples(page));
    }

    [Fact]
    public async Task Removes_a_series_that_left_and_starts_at_zero_when_it_returns()
    {
        _kernel.Count(Some.Edge(), Some.Bytes(100) with { Retransmits = 2 });
        Assert.NotEmpty(Samples(await Page(), "sockwatch_tcp_retransmits_total"));

        _time.Advance(TimeSpan.FromMinutes(10));
        await Page();
        _time.Advance(TimeSpan.FromMinutes(10));
        var without = await Page();
        _kernel.Count(Some.Edge(), Some.Bytes(3));
        _time.Advance(TimeSpan.FromSeconds(5));
        var again = await Page();

        Assert.DoesNotContain("nginx", without, StringComparison.Ordinal);
        Assert.Contains("sockwatch_series_retired_bytes_total{network_io_direction=\"transmit\"} 100", Samples(without));
        Assert.EndsWith("} 3", Assert.Single(Samples(again, "sockwatch_socket_io_bytes_total")), StringComparison.Ordinal);
        Assert.Empty(Samples(again, "sockwatch_tcp_retransmits_total"));
    }

    [Fact]
    public async Task A_place_that_is_lost_and_regained_begins_at_zero_while_the_page_adds_up()
    {
        using var collector = Some.TrafficCollector(_kernel, _time, Some.TrafficTable(_naming, _time, maxSeries: 2));
        var sent = new Dictionary<string, ulong>();
        async Task<string[]> After(string peer, ulong bytes)
        {
            sent[peer] = sent.GetValueOrDefault(peer) + bytes;
            _kernel.Count(Some.Edge($"198.51.100.{peer}"), Some.Bytes(bytes));
            _time.Advance(TimeSpan.FromSeconds(5));
            var page = Samples(await Page(await collector.FreshAsync(CancellationToken.None)), "sockwatch_socket_io_bytes_total");
            Assert.Equal(sent.Values.Aggregate(0UL, (sum, one) => sum + one), page.Aggregate(0UL, (sum, line) => sum + ulong.Parse(line.Split(' ')[^1], System.Globalization.CultureInfo.InvariantCulture)));
            return [.. page.Select(line => line.Split("peer_name=\"")[1]).Select(line => $"{line[..line.IndexOf('"', StringComparison.Ordinal)]} {line.Split(' ')[^1]}").Order(StringComparer.Ordinal)];
        }

        Assert.Equal(["198.51.100.1 100"], await After("1", 100));
        Assert.Equal(["198.51.100.1 100", "_overflow 50"], await After("2", 50));
        Assert.Equal(["_overflow 350"], await After("2", 200)); // who is new begins with what comes next
        Assert.Equal(["198.51.100.2 7", "_overflow 350"], await After("2", 7));
        Assert.Equal(["_overflow 1357"], await After("1", 1000));
        Assert.Equal(["198.51.100.1 3", "_overflow 1357"], await After("1", 3));
    }

    [Fact]
    public async Task Escapes_hostile_names()
    {
        _naming.Workload = "a\"b\\c\nd";
        _kernel.Count(Some.Edge(), Some.Bytes(1));

        Assert.Contains("workload_name=\"a\\\"b\\\\c\\nd\"", await Page(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Says_what_the_page_before_it_took()
    {
        _kernel.Count(Some.Edge(), Some.Bytes(1));
        var first = await Page();
        Assert.Contains("sockwatch_scrape_size_bytes 0", Samples(first));

        var second = await Page();

        Assert.Contains($"sockwatch_scrape_size_bytes {Encoding.UTF8.GetByteCount(first)}", Samples(second));
        Assert.Contains($"sockwatch_scrape_series {Samples(first, "").Count(line => line.Length > 0 && line[0] != '#')}", Samples(second));
        Assert.DoesNotContain("sockwatch_scrape_duration_seconds 0", Samples(second));
    }

    [Fact]
    public async Task Carries_the_labels_that_the_configuration_adds()
    {
        var options = new AggregationOptions { AddAttributes = { "network.peer.address", "container.id", "k8s.pod.name" } };
        using var exporter = new PrometheusExporter(new BuildInfo("0.1.0", "6.18.0"), new ExportFailures(), options: Microsoft.Extensions.Options.Options.Create(options));
        var series = new TrafficSeries(
            1, Some.Attributes() with { PeerAddress = "198.51.100.1", PodName = "a\"b" }, DateTimeOffset.UnixEpoch, Some.Bytes(5), 0, null, []);
        using var page = new MemoryStream();

        await exporter.RenderAsync(TrafficReport.Empty with { Series = [series] }, page, ExpositionFormat.PrometheusText, CancellationToken.None);

        Assert.Contains(
            "network_type=\"ipv4\",network_peer_address=\"198.51.100.1\",container_id=\"\",k8s_pod_name=\"a\\\"b\",network_io_direction=\"transmit\"} 5",
            Encoding.UTF8.GetString(page.ToArray()),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Satisfies_promtool()
    {
        if (!File.Exists("/usr/bin/promtool"))
        {
            Assert.Skip("promtool is not installed (Debian package prometheus)");
        }

        _kernel.Count(Some.Edge(), new EdgeTotals
        {
            BytesSent = 5, BytesReceived = 7, Sends = 2, Receives = 3, Connects = 1, Accepts = 1, Releases = 1, Opened = 2, Closed = 1,
            ResetsReceived = 1, ResetsSent = 1, Retransmits = 1, ListenOverflows = 1,
        });
        _kernel.Timings[Some.Edge()] = new EdgeTimings
        {
            Connect = Some.Latency(60_000), Connection = Some.Latency(70_000), Rtt = Some.Latency(80_000),
        };
        var page = await Page();

        var cancellation = TestContext.Current.CancellationToken;
        using var promtool = Process.Start(new ProcessStartInfo("/usr/bin/promtool", ["check", "metrics"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        await promtool.StandardInput.WriteAsync(page.AsMemory(), cancellation);
        promtool.StandardInput.Close();
        var complaints = await promtool.StandardOutput.ReadToEndAsync(cancellation) + await promtool.StandardError.ReadToEndAsync(cancellation);
        await promtool.WaitForExitAsync(cancellation);

        Assert.Equal("", complaints);
        Assert.Equal(0, promtool.ExitCode);
    }

    [Fact]
    public async Task Ends_an_OpenMetrics_page_as_the_format_asks()
    {
        _kernel.Count(Some.Edge(), Some.Bytes(5));

        var page = await Page(format: ExpositionFormat.OpenMetricsText);

        Assert.EndsWith("# EOF\n", page, StringComparison.Ordinal);
        Assert.Contains("# TYPE sockwatch_socket_io_bytes counter\n", page, StringComparison.Ordinal);
        Assert.Contains("sockwatch_socket_io_bytes_total{", page, StringComparison.Ordinal);
    }

    private static string[] Samples(string page, string name = "sockwatch_") =>
        [.. page.Split('\n').Where(line => line.StartsWith(name, StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    private async Task<string> Page(TrafficReport? report = null, ExpositionFormat format = ExpositionFormat.PrometheusText)
    {
        report ??= await _collector.FreshAsync(CancellationToken.None);
        using var page = new MemoryStream();
        await _exporter.RenderAsync(report, page, format, CancellationToken.None);
        return Encoding.UTF8.GetString(page.ToArray());
    }
}
