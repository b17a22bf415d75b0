namespace Sockwatch.Aggregation;

/// <summary>Where exporters get their report.</summary>
internal interface IReportSource
{
    /// <summary>The last report, however old; null before the first.</summary>
    TrafficReport? Latest { get; }

    /// <summary>
    /// A report that is at most a second old, unless the kernel cannot be read: then the last one, whose failure count says so.
    /// </summary>
    ValueTask<TrafficReport> FreshAsync(CancellationToken cancellation);

    /// <summary>A report that was begun after the call: for the last word, which nobody corrects.</summary>
    ValueTask<TrafficReport> NowAsync(CancellationToken cancellation) => FreshAsync(cancellation);
}
