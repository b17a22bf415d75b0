using System.Runtime.CompilerServices;
using System.Text;
using Sockwatch.Exporters;
using Xunit;

namespace Sockwatch.Tests.Exporters;

public sealed class MetricsDocumentTests
{
    [Fact]
    public void Docs_metrics_md_is_what_the_catalogue_says()
    {
        var path = Path.Combine(Path.GetDirectoryName(ThisFile())!, "../../../docs/metrics.md");
        var expected = Render();
        if (Environment.GetEnvironmentVariable("UPDATE_DOCS") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, expected);
        }

        Assert.True(File.Exists(path), "docs/metrics.md is missing; run the tests with UPDATE_DOCS=1 to write it");
        Assert.Equal(expected, File.ReadAllText(path));
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;

    private static string Render()
    {
        var page = new StringBuilder();
        page.Append("""
            # Metrics

            Every metric of the agent. This page follows the code: change `MetricCatalogue.cs`, then run the tests with
            `UPDATE_DOCS=1`.

            Prometheus reads them from `/metrics`; OTLP carries the name with dots, and the same attributes with dots in place of `_`.
            An absent attribute is the empty label. A series appears with its first value other than zero.

            ## Traffic

            Each of these carries **the edge** (who talked to whom) as labels:


            """);
        page.Append(string.Join(", ", MetricCatalogue.EdgeAttributeNames.Select(name => $"`{MetricDefinition.ToPrometheus(name)}`")));
        page.Append(".\n\n");
        Table(page, MetricCatalogue.All.Where(metric => metric.IsOfEdge));
        page.Append("""

            What they cost: per edge, one series of each metric, times the labels of its own that it has values for; a histogram is as
            many as its buckets and three more. `aggregation.maxSeries` limits the edges told apart. Past it, the smallest new ones
            are counted together under `peer_name="_overflow"`, the other edge labels empty, so every sum stays true.

            With `aggregation.peerAddressBits4` or `…6`, each carries `network_peer_address` as well: the peer's address, or its network.
            With `aggregation.dropAttributes`, the labels named stay empty, and what differs in nothing else is one series; sums stay the
            same.

            Buckets in seconds:


            """);
        foreach (var metric in MetricCatalogue.All.Where(metric => metric.Kind == MetricKind.Histogram))
        {
            page.Append($"- `{metric.PrometheusName}`: {string.Join(", ", metric.Buckets.Select(Number))}\n");
        }

        page.Append("""

            ## The agent itself

            There from the first scrape, at 0. They cost one series per value of their labels, which are from fixed sets.


            """);
        Table(page, MetricCatalogue.All.Where(metric => !metric.IsOfEdge));
        page.Append("""

            `sockwatch_observed_bytes_total` is counted apart from all edges. When nothing was lost, in each direction:

            ```text
            sockwatch_observed_bytes_total = sum(sockwatch_socket_io_bytes_total) + sockwatch_series_retired_bytes_total
            ```

            """);
        return page.ToString();
    }

    private static void Table(StringBuilder page, IEnumerable<MetricDefinition> metrics)
    {
        page.Append("| Prometheus name | OTel name | kind | unit | labels of its own | meaning |\n|---|---|---|---|---|---|\n");
        foreach (var metric in metrics)
        {
            var labels = string.Join(", ", metric.Attributes.Select(name => $"`{MetricDefinition.ToPrometheus(name)}`"));
            page.Append($"| `{metric.PrometheusName}` | `{metric.Name}` | {Kind(metric.Kind)} | {metric.Unit} | {labels} | {metric.Help} |\n");
        }
    }

    private static string Kind(MetricKind kind) => kind switch
    {
        MetricKind.Counter => "counter",
        MetricKind.UpDownCounter => "up-down counter (gauge)",
        MetricKind.Gauge => "gauge",
        _ => "histogram",
    };

    private static string Number(double bound) => bound.ToString("0.######", System.Globalization.CultureInfo.InvariantCulture);
}
