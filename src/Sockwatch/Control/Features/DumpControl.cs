using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;

namespace Sockwatch.Control.Features;

/// <summary><c>dump</c>: the books, section by section. One dump at a time, for one can be long.</summary>
internal sealed class DumpControl(IEnumerable<IDumpSection> sections, IReportSource reports) : IControlFeature, IDisposable
{
    /// <summary>Of one section; so many sockets are some 20 MB while they are being sent.</summary>
    public const int MostRows = 65_536;

    private readonly IDumpSection[] _sections = [.. sections];
    private readonly SemaphoreSlim _dumping = new(1, 1);

    public void Register(ControlHandlers handlers) => handlers.On(ControlRequests.Dump, DumpAsync);

    public void Dispose() => _dumping.Dispose();

    private async Task<Done> DumpAsync(DumpArguments arguments, IControlStream<DumpRows> stream, CancellationToken cancellation)
    {
        if (arguments.MaxRows is < 1 or > MostRows)
        {
            throw new ControlException(ControlErrors.BadArgument, $"a section of a dump has from 1 to {MostRows} rows");
        }

        var chosen = Choose(arguments.Sections);
        if (!await _dumping.WaitAsync(TimeSpan.Zero, cancellation).ConfigureAwait(false))
        {
            throw new ControlException(ControlErrors.Failed, "somebody else is taking a dump at this moment; try again");
        }

        try
        {
            // What the kernel keeps is read anew, for all sections alike.
            await reports.FreshAsync(cancellation).ConfigureAwait(false);
            foreach (var section in chosen)
            {
                await SendAsync(section, arguments.MaxRows, stream, cancellation).ConfigureAwait(false);
            }

            return new Done();
        }
        finally
        {
            _dumping.Release();
        }
    }

    private IDumpSection[] Choose(IReadOnlyList<string> names)
    {
        if (names.Count == 0)
        {
            return _sections;
        }

        if (names.FirstOrDefault(name => !_sections.Any(section => section.Name == name)) is { } unknown)
        {
            throw new ControlException(
                ControlErrors.BadArgument,
                $"there is no section {PrintableText.Of(unknown, 40)}; expected some of {string.Join(", ", _sections.Select(section => section.Name))}");
        }

        return [.. _sections.Where(section => names.Contains(section.Name))];
    }

    private static async Task SendAsync(IDumpSection section, int maxRows, IControlStream<DumpRows> stream, CancellationToken cancellation)
    {
        var isCut = false;

        // Also of a section without rows: that there are none is something to know.
        foreach (var (part, isLast) in RowParts.Of(UpTo(maxRows), row => row.Sum(cell => cell.Length)))
        {
            await stream.SendAsync(new DumpRows(section.Name, section.Columns, part, isLast && isCut), cancellation).ConfigureAwait(false);
        }

        IEnumerable<string[]> UpTo(int most)
        {
            foreach (var row in section.Rows(most))
            {
                if (most-- == 0)
                {
                    isCut = true;
                    break;
                }

                yield return row;
            }
        }
    }
}
