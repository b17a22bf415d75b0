using System.Globalization;
using System.Text;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters.Top;
using Spectre.Console;

namespace Sockwatch.Commands.Top;

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

    private static string[] Cells(TopRow row) =>
    [
        Name(row.Executable, "?"),
        Name(row.Workload, "?"),
        row.Role,
        Name(row.Peer, "?"),
        row.Port,
        row.Transport,
        ReadableText.Bytes(row.SentPerSecond),
        ReadableText.Bytes(row.ReceivedPerSecond),
        row.Open.ToString(CultureInfo.InvariantCulture),
        row.ConnectionsPerSecond.ToString("0.#", CultureInfo.InvariantCulture),
        row.FailuresPerSecond.ToString("0.#", CultureInfo.InvariantCulture),
    ];

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
