namespace Sockwatch.Diagnostics;

/// <param name="IsNumber">Its cells are whole numbers or empty.</param>
internal sealed record DumpColumn(string Name, bool IsNumber = false);

/// <summary>
/// One table of the books that <c>sockwatch ctl dump</c> shows. Each stage adds its own to the container:
/// <c>services.AddSingleton&lt;IDumpSection, …&gt;()</c>.
/// </summary>
internal interface IDumpSection
{
    string Name { get; }

    IReadOnlyList<DumpColumn> Columns { get; }

    /// <summary>A cell for each column. Called by one dump at a time, on any thread.</summary>
    /// <param name="most">One more than this is enough to tell that there are more.</param>
    IEnumerable<string[]> Rows(int most);
}
