using System.Globalization;
using Sockwatch.DeployTests.Grafana;
using Sockwatch.KernelTests.Agents;
using Sockwatch.Tests.Exporters.Otlp;

namespace Sockwatch.KernelTests.Faces;

/// <summary>A real Prometheus scrapes the agent, and the agent pushes to VictoriaMetrics: whoever is asked gives the same answer.</summary>
public sealed class SameAnswerTests(ITestOutputHelper output)
{
    private const string Node = "node-7";

    private static readonly string[] Queries =
    [
        "sum by (network_io_direction) (sockwatch_socket_io_bytes_total{PICK})",
        "sum by (process_executable_name, network_role, server_port, network_io_direction) (sockwatch_socket_io_bytes_total{PICK})",
        "sum by (process_executable_name, socket_operation, error_type) (sockwatch_socket_operations_total{PICK})",
        // Four, because the fifth is many: of equals, each database takes whom it likes.
        "topk(4, sum by (server_port) (sockwatch_socket_io_bytes_total{PICK}))",
        "sum by (network_role) (sockwatch_connections_open{PICK})",
        "histogram_quantile(0.95, sum by (le) (sockwatch_connect_duration_seconds_bucket{PICK, error_type=\"\"}))",
        "histogram_quantile(0.99, sum by (le, process_executable_name) (sockwatch_connection_duration_seconds_bucket{PICK}))",
        "sum(sockwatch_connection_duration_seconds_count{PICK})",
        "count by (version, kernel) (sockwatch_build_info{INSTANCE})",
        "count by (operation, backend, state) (sockwatch_hook_info{INSTANCE})",
        "sum by (stage, reason) (sockwatch_lost_records_total{INSTANCE})",
        "max by (metric) (sockwatch_series_limit{INSTANCE})",
        "max by (map) (sockwatch_bpf_map_max_entries{INSTANCE})",
    ];

    [Fact]
    public async Task The_same_query_has_the_same_answer_from_Prometheus_and_from_VictoriaMetrics()
    {
        Requires.Bpf();
        var program = Requires.Program("prometheus", "prometheus");
        await using var database = await VictoriaMetricsServer.StartAsync(instance: true);
        await using var agent = await RunningAgent.StartAsync(
            "--flow-log", "none", "--otlp-endpoint", database.Endpoint, "--otlp-protocol", "http/protobuf",
            "--config", Some.ConfigurationFile($"otlp: {{ interval: 1s, logs: false, resourceAttributes: [host.name={Node}] }}\n"));
        using var prometheus = await PrometheusServer.StartAsync(program, agent.Address, Node);
        using var http = new HttpClient();

        var (truth, _) = await LoadProgram.RunAsync("truth-client", "all", "--family", "4");
        truth.Dispose();

        var different = new List<string>();
        var deadline = DateTime.UtcNow + TimeSpan.FromSeconds(20);
        do
        {
            await Task.Delay(1000);
            await database.FlushAsync();
            different.Clear();
            foreach (var query in Queries.Select(Filled))
            {
                var now = DateTimeOffset.UtcNow;
                var scraped = PromQl.Text(await PromQl.QueryAsync(http, prometheus.Api, query, now), IsOfPath);
                var pushed = PromQl.Text(await database.QueryAsync(query, now), IsOfPath);
                if (scraped != pushed || scraped.Length == 0)
                {
                    different.Add($"{query}\nPrometheus:\n{scraped}\nVictoriaMetrics:\n{pushed}");
                }
            }
        }
        while (different.Count > 0 && DateTime.UtcNow < deadline);

        different.ForEach(output.WriteLine);
        Assert.Empty(different);
        var total = (await PromQl.QueryAsync(http, prometheus.Api, Filled(Queries[0]), DateTimeOffset.UtcNow)).Sum(series => series.Values[0]);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Queries.Length} queries, the same answers to each; {total:N0} B among them"));
    }

    private static string Filled(string query) => query
        .Replace("PICK", $"instance=\"{Node}\", process_executable_name=~\"truth-.*\"", StringComparison.Ordinal)
        .Replace("INSTANCE", $"instance=\"{Node}\"", StringComparison.Ordinal);

    private static bool IsOfPath(string label) => label is "job" || PrometheusSeries.IsOfResource(label);
}
