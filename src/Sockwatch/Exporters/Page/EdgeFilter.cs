using System.Globalization;
using Sockwatch.Aggregation;

namespace Sockwatch.Exporters.Page;

/// <summary>
/// What people type to find edges: words that must all be somewhere in an edge's names, in any case. <c>port:443</c> looks in one
/// place only, <c>is:failing</c> at the numbers, a leading minus turns a word around, and quotes hold a name with spaces together.
/// Whatever is typed means something: an unknown field is a word like any other.
/// </summary>
internal sealed class EdgeFilter
{
    // The longest name there is, with quotes around its every word.
    public const int MaxLength = 1024;

    private readonly Term[] _terms;

    private EdgeFilter(Term[] terms)
    {
        _terms = terms;
    }

    private enum Field
    {
        Any,
        Namespace,
        Workload,
        Executable,
        Role,
        Peer,
        Class,
        Port,
        Transport,
        Is,
    }

    /// <summary>Text longer than <see cref="MaxLength"/> is for the caller to refuse.</summary>
    public static EdgeFilter Parse(string text)
    {
        var terms = new List<Term>();
        foreach (var (word, isQuoted) in Words(text))
        {
            var not = !isQuoted && word.Length > 1 && word[0] == '-';
            var rest = not ? word[1..] : word;
            var colon = isQuoted ? -1 : rest.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0 && FieldOf(rest[..colon], rest[(colon + 1)..]) is { } field)
            {
                // While it is being typed, "port:" asks for nothing yet.
                if (rest.Length > colon + 1)
                {
                    terms.Add(new Term(field, rest[(colon + 1)..], not));
                }
            }
            else
            {
                terms.Add(new Term(Field.Any, rest, not));
            }
        }

        return new EdgeFilter([.. terms]);
    }

    public bool Matches(in EdgeRow row)
    {
        foreach (var term in _terms)
        {
            if (Matches(term, row) == term.Not)
            {
                return false;
            }
        }

        return true;
    }

    private static bool Matches(in Term term, in EdgeRow row)
    {
        var edge = row.Edge;
        var text = term.Text;
        return term.Field switch
        {
            Field.Namespace => Has(edge.WorkloadNamespace, text) || Has(edge.PeerNamespace, text),
            Field.Workload => Has(edge.WorkloadName, text) || Has(edge.WorkloadKind, text) || Has(edge.WorkloadNamespace, text),
            Field.Executable => Has(edge.ProcessExecutableName, text),
            Field.Role => Has(edge.NetworkRole, text),
            Field.Peer => IsOfPeer(edge, text),
            Field.Class => Has(edge.PeerClass, text),
            Field.Port => edge.ServerPort == text,
            Field.Transport => Has(edge.NetworkTransport, text) || Has(edge.NetworkType, text),
            Field.Is => text switch
            {
                "failing" => row.Failures > 0,
                "active" => row.Rate > 0 || row.ConnectionRate > 0 || row.FailureRate > 0,
                _ => row.Series.Open > 0,
            },
            _ => Has(edge.WorkloadNamespace, text) || Has(edge.WorkloadKind, text) || Has(edge.WorkloadName, text)
                || Has(edge.ProcessExecutableName, text) || IsOfPeer(edge, text) || Has(edge.PeerClass, text)
                || Has(edge.NetworkRole, text) || Has(edge.NetworkTransport, text) || Has(edge.NetworkType, text)
                || edge.ServerPort == text,
        };
    }

    private static bool IsOfPeer(EdgeAttributes edge, string text) =>
        Has(edge.PeerName, text) || Has(edge.PeerNamespace, text) || Has(edge.PeerKind, text) || Has(edge.PeerAddress, text);

    private static bool Has(string value, string text) => value.Contains(text, StringComparison.OrdinalIgnoreCase);

    private static Field? FieldOf(string name, string value) => name.ToLower(CultureInfo.InvariantCulture) switch
    {
        "ns" or "namespace" => Field.Namespace,
        "workload" => Field.Workload,
        "exe" => Field.Executable,
        "role" => Field.Role,
        "peer" => Field.Peer,
        "class" => Field.Class,
        "port" => Field.Port,
        "proto" => Field.Transport,
        "is" when value is "failing" or "active" or "open" or "" => Field.Is,
        _ => null,
    };

    private static List<(string Word, bool IsQuoted)> Words(string text)
    {
        var words = new List<(string Word, bool IsQuoted)>();
        var at = 0;
        while (at < text.Length)
        {
            if (char.IsWhiteSpace(text[at]))
            {
                at++;
                continue;
            }

            var isQuoted = text[at] == '"';
            var word = new System.Text.StringBuilder();
            var inQuotes = false;
            for (; at < text.Length && (inQuotes || !char.IsWhiteSpace(text[at])); at++)
            {
                if (text[at] == '"')
                {
                    inQuotes = !inQuotes;
                }
                else
                {
                    word.Append(text[at]);
                }
            }

            if (word.Length > 0)
            {
                words.Add((word.ToString(), isQuoted));
            }
        }

        return words;
    }

    private readonly record struct Term(Field Field, string Text, bool Not);
}
