using Sockwatch.Aggregation;

namespace Sockwatch.Exporters.Top;

/// <summary>One table after the other. One caller at a time.</summary>
internal interface ITopTables
{
    /// <summary>Waits for the next one.</summary>
    Task<IReadOnlyList<TopRow>> NextAsync(CancellationToken cancellation);
}

/// <summary>From the reports of this process.</summary>
internal sealed class TopTables(IReportSource reports, TimeSpan interval, TimeProvider time) : ITopTables
{
    private TrafficReport? _before;

    public async Task<IReadOnlyList<TopRow>> NextAsync(CancellationToken cancellation)
    {
        var before = _before ?? await reports.FreshAsync(cancellation).ConfigureAwait(false);
        var now = before;

        // A report is shared by all who ask within a second, so the next one may be the same one.
        while (now.Time <= before.Time)
        {
            await Task.Delay(interval, time, cancellation).ConfigureAwait(false);
            now = await reports.FreshAsync(cancellation).ConfigureAwait(false);
        }

        _before = now;
        return TopRows.Between(before, now);
    }
}
