using Sockwatch.Aggregation;

namespace Sockwatch.Exporters.Page;

/// <summary>
/// Turns reports into views with rates, while somebody looks. Nothing is computed and nothing kept when nobody does.
/// </summary>
internal sealed class LiveTraffic : IDisposable
{
    // Shorter, and a rate is mostly noise.
    private static readonly TimeSpan ShortestWindow = TimeSpan.FromSeconds(1);

    // A page asks every other second. An earlier report held for longer would be memory for nobody.
    private static readonly TimeSpan KeepFor = TimeSpan.FromSeconds(30);

    private readonly IReportSource _reports;
    private readonly Lock _lock = new();
    private readonly ITimer _forgetting;
    private TrafficReport? _base;
    private TrafficView? _view;

    public LiveTraffic(IReportSource reports, TimeProvider time)
    {
        _reports = reports;
        _forgetting = time.CreateTimer(_ => Forget(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>The view of a report that is at most a second old. Whoever asks at the same time shares one collection, and one view.</summary>
    public async ValueTask<TrafficView> FreshAsync(CancellationToken cancellation)
    {
        // The first to look has the collector's own last report to compare with, and so sees rates at once.
        See();
        await _reports.FreshAsync(cancellation).ConfigureAwait(false);
        var view = See();
        _forgetting.Change(KeepFor, Timeout.InfiniteTimeSpan);
        return view;
    }

    public void Dispose() => _forgetting.Dispose();

    private TrafficView See()
    {
        lock (_lock)
        {
            // Read in here, so that no view is ever followed by one of an older report.
            var report = _reports.Latest ?? TrafficReport.Empty;
            if (_view is { } view && report.Time == view.Report.Time)
            {
                return ReferenceEquals(view.Report, report) ? view : _view = view.With(report);
            }

            _view = TrafficView.Of(report, _base);
            if (_view.Window >= ShortestWindow || _view.Window <= TimeSpan.Zero)
            {
                _base = report.Time == default ? null : report;
            }

            return _view;
        }
    }

    private void Forget()
    {
        lock (_lock)
        {
            _base = null;
            _view = null;
        }
    }
}
