using System.Collections.Immutable;

namespace Sockwatch.Exporters;

internal enum MetricKind
{
    Counter,

    /// <summary>A sum that can go down; a gauge in Prometheus.</summary>
    UpDownCounter,

    Gauge,
    Histogram,
}

/// <summary>One metric, for both faces and for the documentation.</summary>
/// <param name="Name">The OpenTelemetry name.</param>
/// <param name="PrometheusName">What translation from OTLP makes of the name.</param>
/// <param name="Unit">UCUM, as OpenTelemetry writes it.</param>
/// <param name="Help">One sentence; ends without a full stop.</param>
/// <param name="Attributes">Attributes beyond the edge, as OpenTelemetry spells them.</param>
/// <param name="IsOfEdge">Whether it carries the edge's attributes as well.</param>
internal sealed record MetricDefinition(
    string Name,
    string PrometheusName,
    MetricKind Kind,
    string Unit,
    string Help,
    ImmutableArray<string> Attributes,
    bool IsOfEdge)
{
    /// <summary>Upper bounds of a histogram, in its unit.</summary>
    public ImmutableArray<double> Buckets { get; init; } = [];

    /// <summary>Edge attributes first, then its own, as Prometheus spells them.</summary>
    public string[] PrometheusLabels(EdgeLabels edge) => [.. (IsOfEdge ? edge.Names : []).Concat(Attributes).Select(ToPrometheus)];

    public static string ToPrometheus(string name) => name.Replace('.', '_');
}
