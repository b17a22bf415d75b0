using System.Text.Json;
using Sockwatch.Control;
using Sockwatch.Control.Features;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters.Top;

namespace Sockwatch.Tests.Control;

public sealed class RowPartsTests
{
    [Fact]
    public void Of_hostile_names_no_part_is_longer_than_an_answer_may_be_and_no_row_is_left_out()
    {
        var rows = Enumerable.Range(0, 1000).Select(i => new[] { $"{i}", new string('\u0001', 511), new string('\u202e', 511) }).ToList();

        var seen = new List<string>();
        var longest = 0;
        foreach (var (part, _) in RowParts.Of(rows, row => row.Sum(cell => cell.Length)))
        {
            seen.AddRange(part.Select(row => row[0]));
            longest = Math.Max(longest, JsonSerializer.SerializeToUtf8Bytes(new DumpRows("x", [new DumpColumn("a")], part, false), ControlRequests.Dump.Item!).Length);
        }

        Assert.Equal(rows.Select(row => row[0]), seen);
        Assert.InRange(longest, ControlProtocol.MaxAnswerBytes / 4, ControlProtocol.MaxAnswerBytes - ControlProtocol.HeaderBytes);
    }

    [Fact]
    public void One_part_is_the_last_and_nothing_is_one_part()
    {
        Assert.Equal([false, false, true], RowParts.Of(Enumerable.Range(0, 600), _ => 1).Select(part => part.IsLast));
        var (rows, isLast) = Assert.Single(RowParts.Of(Array.Empty<TopRow>(), _ => 1));
        Assert.True(isLast);
        Assert.Empty(rows);
    }
}
