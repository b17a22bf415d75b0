using System.Collections.Immutable;
using Sockwatch.Aggregation;

namespace Sockwatch.Exporters;

/// <summary>The attributes that every metric of edges carries: those of the catalogue, and those that the configuration adds.</summary>
internal sealed class EdgeLabels
{
    private readonly ImmutableArray<Func<EdgeAttributes, string>> _added;

    public EdgeLabels(AggregationOptions options)
    {
        var asked = AttributeSelection.Added(options);
        var added = AttributeSelection.Addable.Where(one => asked.Contains(one.Name)).ToList();
        Names = [.. MetricCatalogue.EdgeAttributeNames, .. added.Select(one => one.Name)];
        _added = [.. added.Select(one => one.Value)];
    }

    /// <summary>As OpenTelemetry spells them.</summary>
    public ImmutableArray<string> Names { get; }

    /// <summary>The value of one of <see cref="Names"/>; empty when absent.</summary>
    public string Value(EdgeAttributes edge, int index) => index < MetricCatalogue.EdgeAttributeNames.Length
        ? MetricCatalogue.EdgeLabel(edge, index)
        : _added[index - MetricCatalogue.EdgeAttributeNames.Length](edge);

    public string[] Values(EdgeAttributes edge)
    {
        var values = new string[Names.Length];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = Value(edge, i);
        }

        return values;
    }
}
