using Sockwatch.Aggregation;

namespace Sockwatch.Exporters.Otlp;

/// <summary>Attributes of an edge for the library. What is absent is left out, which Prometheus reads as the empty label.</summary>
internal sealed class OtlpTags
{
    private readonly KeyValuePair<string, object?>[] _scratch = new KeyValuePair<string, object?>[MetricCatalogue.EdgeAttributeNames.Length + 3];

    /// <summary>Valid until the next call; the library copies it.</summary>
    public ReadOnlySpan<KeyValuePair<string, object?>> Fill(
        EdgeAttributes edge, string? name = null, string? value = null, string? name2 = null, string? value2 = null)
    {
        var count = 0;
        var names = MetricCatalogue.EdgeAttributeNames;
        for (var i = 0; i < names.Length; i++)
        {
            Add(names[i], MetricCatalogue.EdgeLabel(edge, i));
        }

        Add(MetricCatalogue.PeerAddress, edge.PeerAddress);
        Add(name, value);
        Add(name2, value2);
        return _scratch.AsSpan(0, count);

        void Add(string? key, string? text)
        {
            if (key is not null && !string.IsNullOrEmpty(text))
            {
                _scratch[count++] = new(key, text);
            }
        }
    }

    /// <summary>To keep.</summary>
    public static KeyValuePair<string, object?>[] Of(EdgeAttributes edge, string? name, string? value) =>
        [.. new OtlpTags().Fill(edge, name, value)];
}
