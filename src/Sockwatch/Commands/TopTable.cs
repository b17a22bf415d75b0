using System.Globalization;
using System.Text;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Spectre.Console;

namespace Sockwatch.Commands;

internal enum TopOrder
{
    Bytes,
    Sent,
    Received,
    Open,
    Connections,
    Failures,
}

/// <summary>One series and how fast it moved between two reports.</summary>
internal sealed record TopRow(
    EdgeAttributes Edge,
    double SentPerSecond,
    double ReceivedPerSecond,
    long Open,
    double ConnectionsPerSecond,
    double FailuresPerSecond)
{
    public double Key(TopOrder order) => order switch
    {
        TopOrder.Sent => SentPerSecond,
        TopOrder.Received => ReceivedPerSecond,
        TopOrder.Open => Open,
        TopOrder.Connections => ConnectionsPerSecond,
        TopOrder.Failures => FailuresPerSecond,
        _ => SentPerSecond + ReceivedPerSecond,
    };
}

/// <summary>The table of <c>sockwatch top</c>: rates from two reports, as text or for a live terminal.</summary>
internal static class TopTable
{
    private const int NameLength = 32;

    // Negative widths align to the left: names do, numbers do not.
    private static readonly (string Title, int Width)[] Columns =
    [
        ("EXECUTABLE", -18), ("WORKLOAD", -24), ("ROLE", -6), ("PEER", -24), ("PORT", 5), ("PROTO", -5),
        ("SENT/s", 9), ("RECV/s", 9), ("OPEN", 6), ("CONN/s", 7), ("FAIL/s", 7),
    ];

    /// <summary>The busiest first; among equals by name, so that rows do not jump.</summary>
    public static IReadOnlyList<TopRow> Rows(TrafficReport before, TrafficReport now, TopOrder order)
    {
        var seconds = (now.Time - before.Time).TotalSeconds;
        if (seconds <= 0)
        {
            return [];
        }

        var earlier = before.Series.ToDictionary(series => series.Id);
        return
        [
            .. now.Series
                .Select(series => Row(earlier.GetValueOrDefault(series.Id), series, seconds))
                .Where(row => row.Open > 0 || row.SentPerSecond + row.ReceivedPerSecond + row.ConnectionsPerSecond + row.FailuresPerSecond > 0)
                .OrderByDescending(row => row.Key(order))
                .ThenBy(row => row.Edge.ProcessExecutableName, StringComparer.Ordinal)
                .ThenBy(row => row.Edge.WorkloadName, StringComparer.Ordinal)
                .ThenBy(row => row.Edge.PeerName, StringComparer.Ordinal)
                .ThenBy(row => row.Edge.ServerPort, StringComparer.Ordinal),
        ];
    }

    public static string ToText(IReadOnlyList<TopRow> rows)
    {
        var text = new StringBuilder();
        AppendLine(text, [.. Columns.Select(column => column.Title)]);
        foreach (var row in rows)
        {
            AppendLine(text, Cells(row));
        }

        return text.ToString();
    }

    /// <summary>Cells are plain text to Spectre: a name with brackets is no markup.</summary>
    public static Table ToLiveTable(IReadOnlyList<TopRow> rows, TopOrder order, int maxRows)
    {
        var table = new Table().Border(TableBorder.None).Expand();
        foreach (var (title, width) in Columns)
        {
            var column = new TableColumn(new Text(title, new Style(decoration: Decoration.Bold))).NoWrap();
            table.AddColumn(width < 0 ? column : column.RightAligned());
        }

        foreach (var row in rows.Take(maxRows))
        {
            var style = row.FailuresPerSecond > 0 ? new Style(Color.Red) : Style.Plain;
            table.AddRow(Cells(row).Select(cell => new Text(cell, style) { Overflow = Overflow.Ellipsis }));
        }

        table.Caption = new TableTitle(Markup.Escape(string.Create(
            CultureInfo.InvariantCulture,
            $"{rows.Count} conversations by {order.ToString().ToLowerInvariant()}; q ends, s sorts")));
        return table;
    }

    private static TopRow Row(TrafficSeries? before, TrafficSeries now, double seconds)
    {
        var earlier = before?.Totals ?? default;
        return new TopRow(
            now.Attributes,
            Rate(now.Totals.BytesSent, earlier.BytesSent),
            Rate(now.Totals.BytesReceived, earlier.BytesReceived),
            now.Open,
            Rate(now.Totals.Connects + now.Totals.Accepts, earlier.Connects + earlier.Accepts),
            Rate(Failures(now), before is null ? 0 : Failures(before)));

        double Rate(ulong total, ulong last) => total > last ? (total - last) / seconds : 0;
    }

    private static ulong Failures(TrafficSeries series)
    {
        var count = 0UL;
        foreach (var failure in series.Failures)
        {
            count += failure.Count;
        }

        return count;
    }

    private static string[] Cells(TopRow row) =>
    [
        Name(row.Edge.ProcessExecutableName, "?"),
        Name(Workload(row.Edge), "?"),
        row.Edge.NetworkRole,
        Name(row.Edge.PeerName.Length > 0 ? row.Edge.PeerName : row.Edge.PeerClass, "?"),
        row.Edge.ServerPort,
        row.Edge.NetworkTransport,
        ReadableText.Bytes(row.SentPerSecond),
        ReadableText.Bytes(row.ReceivedPerSecond),
        row.Open.ToString(CultureInfo.InvariantCulture),
        row.ConnectionsPerSecond.ToString("0.#", CultureInfo.InvariantCulture),
        row.FailuresPerSecond.ToString("0.#", CultureInfo.InvariantCulture),
    ];

    private static string Workload(EdgeAttributes edge) =>
        edge.WorkloadNamespace.Length > 0 ? $"{edge.WorkloadNamespace}/{edge.WorkloadName}" : edge.WorkloadName;

    private static string Name(string name, string unknown) => name.Length > 0 ? PrintableText.Of(name, NameLength) : unknown;

    private static void AppendLine(StringBuilder text, string[] cells)
    {
        for (var i = 0; i < cells.Length; i++)
        {
            var (_, width) = Columns[i];
            text.Append(i == 0 ? "" : " ").Append(width < 0 ? cells[i].PadRight(-width) : cells[i].PadLeft(width));
        }

        text.AppendLine();
    }
}
