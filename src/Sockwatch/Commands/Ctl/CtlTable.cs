using System.Text;
using Sockwatch.Diagnostics;

namespace Sockwatch.Commands.Ctl;

/// <summary>Columns as wide as their widest cell. Cells may hold what others chose, so they are made printable.</summary>
internal static class CtlTable
{
    private const int WidestCell = 100;

    /// <param name="isNumber">By column; numbers stand to the right. Null for none.</param>
    public static void Write(TextWriter output, IReadOnlyList<string> titles, IReadOnlyList<IReadOnlyList<string>> rows, IReadOnlyList<bool>? isNumber = null)
    {
        var cells = rows.Select(row => row.Select(cell => PrintableText.Of(cell, WidestCell)).ToArray()).ToArray();
        var widths = titles.Select((title, column) => Math.Max(title.Length, cells.Select(row => row[column].Length).DefaultIfEmpty().Max())).ToArray();
        WriteLine(output, [.. titles.Select(title => title.ToUpperInvariant())], widths, isNumber);
        foreach (var row in cells)
        {
            WriteLine(output, row, widths, isNumber);
        }
    }

    private static void WriteLine(TextWriter output, string[] cells, int[] widths, IReadOnlyList<bool>? isNumber)
    {
        var line = new StringBuilder();
        for (var column = 0; column < cells.Length; column++)
        {
            line.Append(column == 0 ? "" : "  ");
            line.Append(isNumber is not null && isNumber[column] ? cells[column].PadLeft(widths[column]) : cells[column].PadRight(widths[column]));
        }

        output.WriteLine(line.ToString().TrimEnd());
    }
}
