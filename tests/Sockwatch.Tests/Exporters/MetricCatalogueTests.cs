using Sockwatch.Aggregation;
using Sockwatch.Exporters;
using Xunit;

namespace Sockwatch.Tests.Exporters;

public sealed class MetricCatalogueTests
{
    [Fact]
    public void Names_each_metric_for_Prometheus_as_translation_from_OTLP_would()
    {
        Assert.All(MetricCatalogue.All, metric => Assert.Equal(Translate(metric), metric.PrometheusName));
        Assert.Equal(MetricCatalogue.All.Length, MetricCatalogue.All.Select(metric => metric.PrometheusName).Distinct().Count());
    }

    [Fact]
    public void Has_an_edge_metric_for_everything_an_edge_counts() =>
        Assert.Equal(
            MetricCatalogue.All.Where(metric => metric.IsOfEdge),
            Enum.GetValues<TrafficMetric>().Select(MetricCatalogue.Of));

    [Fact]
    public void Lists_edge_labels_in_the_order_of_their_names()
    {
        var edge = new EdgeAttributes("1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12");

        var labels = new EdgeLabels(new AggregationOptions());

        Assert.Equal(Enumerable.Range(1, 12).Select(i => i.ToString(System.Globalization.CultureInfo.InvariantCulture)), labels.Values(edge));
        Assert.Equal(12, MetricCatalogue.EdgeAttributeNames.Length);
        Assert.Equal("workload_namespace", MetricCatalogue.SocketIo.PrometheusLabels(labels)[0]);
        Assert.Equal("network_io_direction", MetricCatalogue.SocketIo.PrometheusLabels(labels)[^1]);
    }

    [Fact]
    public void Adds_labels_that_the_configuration_asks_for()
    {
        var edge = Some.Attributes() with { PeerAddress = "192.0.2.1", PodName = "web-0", ContainerId = "abc", ProcessExecutablePath = "/bin/x" };
        var labels = new EdgeLabels(new AggregationOptions { AddAttributes = { "k8s.pod.name" }, PeerAddressBits4 = 24 });

        Assert.Equal(["network.peer.address", "k8s.pod.name"], labels.Names.Skip(12));
        Assert.Equal(["192.0.2.1", "web-0"], labels.Values(edge).Skip(12));
        Assert.Equal("k8s_pod_name", MetricCatalogue.TcpRtt.PrometheusLabels(labels)[^1]);
    }

    private static string Translate(MetricDefinition metric)
    {
        var name = metric.Name.Replace('.', '_');
        var unit = metric.Unit switch { "By" => "_bytes", "s" => "_seconds", _ => "" };
        var total = metric.Kind == MetricKind.Counter ? "_total" : "";
        return name + unit + total;
    }
}
