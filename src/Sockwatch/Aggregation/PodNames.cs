using System.Collections.Immutable;
using Sockwatch.Diagnostics;

namespace Sockwatch.Aggregation;

/// <summary>The pod a socket's owner runs in, as flow records tell it. Absent is the empty string.</summary>
/// <param name="More">Attributes that were asked for, by their full names, such as k8s.pod.label.app.</param>
internal sealed record PodNames(
    string Namespace,
    string Name,
    string Uid,
    string Container,
    string Node,
    ImmutableArray<KeyValuePair<string, string>> More)
{
    /// <summary>Fit for every face, whoever chose the names.</summary>
    public PodNames Printable(int longest) => new(
        PrintableText.Of(Namespace, longest), PrintableText.Of(Name, longest), PrintableText.Of(Uid, longest),
        PrintableText.Of(Container, longest), PrintableText.Of(Node, longest),
        More.IsDefaultOrEmpty ? [] : [.. More.Select(one => KeyValuePair.Create(one.Key, PrintableText.Of(one.Value, longest)))]);
}
