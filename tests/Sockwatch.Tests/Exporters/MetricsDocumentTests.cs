using System.Runtime.CompilerServices;
using System.Text;
using Sockwatch.Aggregation;
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
            many as its buckets and three more.

            ### The series budget

            Each metric has room for `aggregation.maxSeries` series, each histogram for `aggregation.maxHistogramSeries`. Past it the
            smallest edges are counted together under `peer_name="_overflow"`, the other edge labels empty, also ones that had series of
            their own before, once others have become bigger. Every sum stays true, at any moment:

            - An edge is as big in a metric as what it has counted there since it is known; it takes another's place when it is twice as
              big, so places rarely change hands. An edge may be shown in one metric and folded in another.
            - A series that loses its place leaves the page, and its value moves to the overflow series, which only grows. `rate()` sees
              that value once more, under `_overflow`; it is less than half of what the edge brought that took the place.
            - A series that gets its place back begins at zero, as after a restart; what it counted meanwhile stays with the overflow.

            This overflow is one series of each metric, with no owner. Besides it there is one for each owner that took more than its
            [share](detections.md#nobody-pushes-out-the-rest) of the kernel's tables: `peer_name="_overflow"` too, but with the workload's labels kept, so
            what a noisy process costs stays beside its name. `sum by (workload_name) (…{peer_name="_overflow"})` tells them apart: the one
            without a name is the budget's.

            `sockwatch_series` by `metric` is what is used of it, `sockwatch_series_limit` what there is, `sockwatch_series_folded_total` how
            often an edge found no room or lost it.

            ### Choosing labels

            With `aggregation.dropAttributes` the labels named stay empty, and what differs in nothing else is one series. With
            `aggregation.addAttributes` each carries these as well: {{added}}. `aggregation.peerAddressBits4` and `…6` make a network of
            the peer's address. Sums stay the same, whatever is chosen.

            Native histograms are not offered: they take Prometheus' protobuf format, and the kernel counts in fixed buckets.

            Buckets in seconds:


            """.Replace("{{added}}", string.Join(", ", AttributeSelection.Addable.Select(one => $"`{MetricDefinition.ToPrometheus(one.Name)}`")), StringComparison.Ordinal));
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
