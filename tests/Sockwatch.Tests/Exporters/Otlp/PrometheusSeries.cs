using System.Globalization;
using System.Text.Json;
using Sockwatch.Exporters;

namespace Sockwatch.Tests.Exporters.Otlp;

/// <summary>Series of edges by Prometheus' name and labels, wherever they were read: what is the same has the same name here.</summary>
internal static class PrometheusSeries
{
    private static readonly Dictionary<string, MetricDefinition> Metrics = MetricCatalogue.All.ToDictionary(metric => metric.Name);

    public static Dictionary<string, double> OfPage(string page)
    {
        var series = new Dictionary<string, double>();
        foreach (var line in page.Split('\n').Where(line => line.Contains("workload_name=", StringComparison.Ordinal)))
        {
            var labels = line[(line.IndexOf('{') + 1)..line.LastIndexOf('}')].Split("\",").Select(label =>
            {
                var equals = label.IndexOf('=');
                var value = label[(equals + 2)..].TrimEnd('"') + (label.EndsWith("\\\"", StringComparison.Ordinal) ? "\"" : "");
                return (label[..equals], label[..equals] == "le" ? Bound(value) : value.Replace("\\n", "\n").Replace("\\\"", "\"").Replace("\\\\", "\\"));
            });
            series.Add(Name(line[..line.IndexOf('{')], labels), double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));
        }

        return series;
    }

    /// <summary>Points that were pushed; of several pushes, the last value of each series.</summary>
    public static Dictionary<string, double> OfPoints(IEnumerable<OtlpPoint> points)
    {
        var series = new Dictionary<string, double>();
        foreach (var point in points.OrderBy(point => point.TimeNs))
        {
            var metric = Metrics[point.Name];
            if (!metric.IsOfEdge)
            {
                continue;
            }

            var labels = point.Attributes.Select(one => (MetricDefinition.ToPrometheus(one.Key), one.Value)).ToList();
            if (metric.Kind != MetricKind.Histogram)
            {
                series[Name(metric.PrometheusName, labels)] = point.Value;
                continue;
            }

            series[Name(metric.PrometheusName + "_sum", labels)] = point.Value;
            series[Name(metric.PrometheusName + "_count", labels)] = point.Count;
            var cumulative = 0UL;
            foreach (var (bound, count) in point.Bounds.Append(double.PositiveInfinity).Zip(point.Buckets))
            {
                cumulative += count;
                series[Name(metric.PrometheusName + "_bucket", [.. labels, ("le", Bound(bound))])] = cumulative;
            }
        }

        return series;
    }

    /// <summary>The same of what decode.py makes of requests.</summary>
    public static Dictionary<string, double> OfRows(IEnumerable<JsonElement> rows) => OfPoints(rows.Where(row => !row.GetProperty("end").GetBoolean()).Select(row =>
    {
        var isHistogram = row.GetProperty("kind").GetString() == "histogram";
        return new OtlpPoint(
            row.GetProperty("name").GetString()!, "", "", 0, false,
            row.GetProperty("attributes").EnumerateObject().ToDictionary(one => one.Name, one => one.Value.GetString()!),
            row.GetProperty("start").GetUInt64(), row.GetProperty("time").GetUInt64(),
            row.GetProperty(isHistogram ? "sum" : "value").GetDouble(),
            isHistogram ? row.GetProperty("count").GetUInt64() : 0,
            isHistogram ? [.. row.GetProperty("buckets").EnumerateArray().Select(count => count.GetUInt64())] : [],
            isHistogram ? [.. row.GetProperty("bounds").EnumerateArray().Select(bound => bound.GetDouble())] : []);
    }));

    /// <summary>What VictoriaMetrics stored, the last value of each series.</summary>
    public static Dictionary<string, double> OfStored(IEnumerable<StoredSeries> stored) => stored
        .Where(series => series.Labels.ContainsKey("network_role") || series.Labels.GetValueOrDefault("peer_name") == "_overflow")
        .ToDictionary(
            series => Name(series.Labels["__name__"], series.Labels
                .Where(label => label.Key is not ("__name__" or "job" or "instance" or "vmrange") && !IsOfResource(label.Key))
                .Select(label => (label.Key, label.Key == "le" ? Bound(label.Value) : label.Value))),
            series => series.Values[^1]);

    /// <summary>Labels that VictoriaMetrics makes of the resource and the scope, and of nothing else.</summary>
    public static bool IsOfResource(string label) => label.Replace('.', '_') is "scope_name" or "scope_version" or "otel_scope_name" or "otel_scope_version"
        or "service_name" or "service_version" or "service_instance_id" or "host_name" or "os_type" or "os_version";

    private static string Bound(string text) => Bound(text == "+Inf" ? double.PositiveInfinity : double.Parse(text, CultureInfo.InvariantCulture));

    private static string Bound(double bound) => bound.ToString("R", CultureInfo.InvariantCulture);

    private static string Name(string name, IEnumerable<(string Key, string Value)> labels) =>
        $"{name}{{{string.Join(",", labels.Where(label => label.Value.Length > 0).OrderBy(label => label.Key, StringComparer.Ordinal).Select(label => $"{label.Key}={label.Value}"))}}}";
}
