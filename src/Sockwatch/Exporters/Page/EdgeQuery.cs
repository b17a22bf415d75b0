using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace Sockwatch.Exporters.Page;

/// <summary>Which edges, in which order, and which part of them. The page's own address and the API take the same.</summary>
internal sealed record EdgeQuery
{
    public const int DefaultLimit = 50;
    public const int MaxLimit = 500;

    /// <summary>The columns to sort by, as the address spells them. The first is the default.</summary>
    public static readonly IReadOnlyList<string> Columns =
        ["rate", "out", "in", "sent", "received", "open", "connections", "failures", "workload", "peer", "port"];

    public string Text { get; private init; } = "";

    public string Sort { get; private init; } = Columns[0];

    public bool IsDescending { get; private init; } = true;

    public int Offset { get; private init; }

    public int Limit { get; private init; } = DefaultLimit;

    /// <summary>Just these, whatever the filter, in this order; null for all.</summary>
    public IReadOnlyList<long>? Ids { get; private init; }

    /// <summary>Names sort from A, numbers from the largest.</summary>
    public static bool IsDescendingByDefault(string column) => column is not ("workload" or "peer" or "port");

    /// <summary>Null, with one line that says what is wrong, when a value is none.</summary>
    public static EdgeQuery? Parse(IQueryCollection query, out string error)
    {
        error = "";
        var text = query["q"].ToString();
        var sort = query["sort"].ToString() is { Length: > 0 } given ? given : Columns[0];
        var order = query["order"].ToString();
        IReadOnlyList<long>? ids = null;
        if (text.Length > EdgeFilter.MaxLength)
        {
            error = $"q is longer than {EdgeFilter.MaxLength} characters";
        }
        else if (!Columns.Contains(sort))
        {
            error = $"sort is \"{Diagnostics.PrintableText.Of(sort, 32)}\": expected {string.Join(", ", Columns)}";
        }
        else if (order is not ("" or "asc" or "desc"))
        {
            error = $"order is \"{Diagnostics.PrintableText.Of(order, 32)}\": expected asc or desc";
        }
        else if (Whole(query, "offset", 0, 0, int.MaxValue, ref error) is { } offset
            && Whole(query, "limit", DefaultLimit, 1, MaxLimit, ref error) is { } limit
            && TryParseIds(query["ids"].ToString(), out ids, ref error))
        {
            return new EdgeQuery
            {
                Text = text,
                Sort = sort,
                IsDescending = order.Length == 0 ? IsDescendingByDefault(sort) : order == "desc",
                Offset = offset,
                Limit = limit,
                Ids = ids,
            };
        }

        return null;
    }

    /// <summary>A whole number of the address; null, with the error, when it is none.</summary>
    public static int? Whole(IQueryCollection query, string name, int absent, int least, int most, ref string error)
    {
        var text = query[name].ToString();
        if (text.Length == 0)
        {
            return absent;
        }

        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most)
        {
            return value;
        }

        error = $"{name} is \"{Diagnostics.PrintableText.Of(text, 32)}\": expected a whole number from {least} to {most}";
        return null;
    }

    /// <summary>The part of the edges that was asked for, and how many there are in all.</summary>
    public (IReadOnlyList<EdgeRow> Rows, int Matched) Apply(TrafficView view)
    {
        if (Ids is not null)
        {
            var found = new List<EdgeRow>(Ids.Count);
            foreach (var id in Ids)
            {
                if (view.Find(id) is { } row)
                {
                    found.Add(row);
                }
            }

            return (found, found.Count);
        }

        var filter = EdgeFilter.Parse(Text);
        var matching = new List<EdgeRow>();
        foreach (var row in view.Rows)
        {
            if (filter.Matches(row))
            {
                matching.Add(row);
            }
        }

        var compare = Comparison();
        matching.Sort((left, right) => Compare(left, right, compare));
        return (matching.Skip(Offset).Take(Limit).ToList(), matching.Count);
    }

    // Among equals the ones that carried most, then the oldest: rows that stand still do not jump.
    private int Compare(in EdgeRow left, in EdgeRow right, Comparison<EdgeRow> compare)
    {
        var order = IsDescending ? compare(right, left) : compare(left, right);
        if (order == 0)
        {
            order = right.Bytes.CompareTo(left.Bytes);
        }

        return order != 0 ? order : left.Series.Id.CompareTo(right.Series.Id);
    }

    private Comparison<EdgeRow> Comparison() => Sort switch
    {
        "out" => (left, right) => left.SentRate.CompareTo(right.SentRate),
        "in" => (left, right) => left.ReceivedRate.CompareTo(right.ReceivedRate),
        "sent" => (left, right) => left.Series.Totals.BytesSent.CompareTo(right.Series.Totals.BytesSent),
        "received" => (left, right) => left.Series.Totals.BytesReceived.CompareTo(right.Series.Totals.BytesReceived),
        "open" => (left, right) => left.Series.Open.CompareTo(right.Series.Open),
        "connections" => (left, right) => left.Connections.CompareTo(right.Connections),
        "failures" => (left, right) => left.Failures.CompareTo(right.Failures),
        "workload" => (left, right) => CompareNames(EdgeText.Workload(left.Edge), EdgeText.Workload(right.Edge)),
        "peer" => (left, right) => CompareNames(EdgeText.Peer(left.Edge), EdgeText.Peer(right.Edge)),
        "port" => (left, right) => Port(left).CompareTo(Port(right)),
        _ => (left, right) => left.Rate.CompareTo(right.Rate),
    };

    private static int CompareNames(string left, string right)
    {
        var order = string.Compare(left, right, StringComparison.OrdinalIgnoreCase);
        return order != 0 ? order : string.CompareOrdinal(left, right);
    }

    private static int Port(in EdgeRow row) =>
        int.TryParse(row.Edge.ServerPort, NumberStyles.None, CultureInfo.InvariantCulture, out var port) ? port : -1;

    private static bool TryParseIds(string text, out IReadOnlyList<long>? ids, ref string error)
    {
        ids = null;
        if (text.Length == 0)
        {
            return true;
        }

        var parts = text.Split(',', MaxLimit + 1);
        var parsed = new List<long>(parts.Length);
        foreach (var part in parts)
        {
            if (parsed.Count == MaxLimit || !long.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var id))
            {
                error = $"ids: expected at most {MaxLimit} whole numbers with commas between";
                return false;
            }

            parsed.Add(id);
        }

        ids = parsed;
        return true;
    }
}
