namespace Sockwatch.Control.Features;

/// <summary>Rows in parts of an answer, none longer than a message may be: names are others' choice, and so is how much there is to escape.</summary>
internal static class RowParts
{
    private const int MostRows = 200;

    // As JSON a letter may take six bytes, and a row is far shorter than the other half of a message.
    private const int MostLetters = ControlProtocol.MaxAnswerBytes / 2 / 6;

    /// <param name="lettersOf">How much text a row has.</param>
    /// <returns>One part at least; it has no rows when there are none. A part is good until the next one is asked for.</returns>
    public static IEnumerable<(List<TRow> Rows, bool IsLast)> Of<TRow>(IEnumerable<TRow> rows, Func<TRow, int> lettersOf)
    {
        var part = new List<TRow>(MostRows);
        var letters = 0;
        foreach (var row in rows)
        {
            if (part.Count == MostRows || letters > MostLetters)
            {
                yield return (part, IsLast: false);
                part.Clear();
                letters = 0;
            }

            part.Add(row);
            letters += lettersOf(row);
        }

        yield return (part, IsLast: true);
    }
}
