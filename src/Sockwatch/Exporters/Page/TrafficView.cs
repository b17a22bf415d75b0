using System.Collections.Immutable;
using Sockwatch.Aggregation;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters.Page;

/// <summary>One edge of the report, and how fast it moved. Rates are per second.</summary>
internal readonly record struct EdgeRow(
    TrafficSeries Series,
    ulong Failures,
    double SentRate,
    double ReceivedRate,
    double ConnectionRate,
    double FailureRate)
{
    public EdgeAttributes Edge => Series.Attributes;

    public double Rate => SentRate + ReceivedRate;

    public ulong Bytes => Series.Totals.BytesSent + Series.Totals.BytesReceived;

    public ulong Connections => Series.Totals.Connects + Series.Totals.Accepts;
}

/// <summary>A report with rates: what the page shows. Made once per report, shared by all who look.</summary>
internal sealed class TrafficView
{
    private Dictionary<long, int>? _byId;

    private TrafficView(TrafficReport report, TimeSpan window, ImmutableArray<EdgeRow> rows)
    {
        Report = report;
        Window = window;
        Rows = rows;
    }

    public TrafficReport Report { get; }

    /// <summary>The time the rates are taken over; zero when there is nothing to compare with yet.</summary>
    public TimeSpan Window { get; }

    public ImmutableArray<EdgeRow> Rows { get; }

    public double SentRate { get; private init; }

    public double ReceivedRate { get; private init; }

    public long Open { get; private init; }

    public double ConnectionRate { get; private init; }

    public double FailureRate { get; private init; }

    public static TrafficView Of(TrafficReport report, TrafficReport? before)
    {
        var window = before is null ? TimeSpan.Zero : report.Time - before.Time;
        var seconds = window.TotalSeconds;
        if (seconds <= 0)
        {
            before = null;
            window = TimeSpan.Zero;
        }

        var earlier = before?.Series.ToDictionary(series => series.Id) ?? [];
        var rows = ImmutableArray.CreateBuilder<EdgeRow>(report.Series.Length);
        var (open, connectionRate, failureRate) = (0L, 0.0, 0.0);
        foreach (var series in report.Series)
        {
            var row = before is null ? new EdgeRow(series, FailuresOf(series), 0, 0, 0, 0) : RowOf(series, earlier.GetValueOrDefault(series.Id), seconds);
            open += series.Open;
            connectionRate += row.ConnectionRate;
            failureRate += row.FailureRate;
            rows.Add(row);
        }

        return new TrafficView(report, window, rows.DrainToImmutable())
        {
            SentRate = before is null ? 0 : Rate(report.Observed.Transmitted, before.Observed.Transmitted, seconds),
            ReceivedRate = before is null ? 0 : Rate(report.Observed.Received, before.Observed.Received, seconds),
            Open = open,
            ConnectionRate = connectionRate,
            FailureRate = failureRate,
        };
    }

    /// <summary>The same rows under a report of the same time: the kernel could not be read again.</summary>
    public TrafficView With(TrafficReport report) => new(report, Window, Rows)
    {
        SentRate = SentRate, ReceivedRate = ReceivedRate, Open = Open, ConnectionRate = ConnectionRate, FailureRate = FailureRate,
    };

    /// <summary>The row of a series; null when it is not, or no longer, in the report.</summary>
    public EdgeRow? Find(long id)
    {
        if (_byId is null)
        {
            var byId = new Dictionary<long, int>(Rows.Length);
            for (var i = 0; i < Rows.Length; i++)
            {
                byId.Add(Rows[i].Series.Id, i);
            }

            _byId = byId;
        }

        return _byId.TryGetValue(id, out var index) ? Rows[index] : null;
    }

    private static EdgeRow RowOf(TrafficSeries series, TrafficSeries? before, double seconds)
    {
        var earlier = before?.Totals ?? default;
        var failures = FailuresOf(series);

        // Most edges of a large node are silent; theirs is the same object as before.
        return ReferenceEquals(series, before)
            ? new EdgeRow(series, failures, 0, 0, 0, 0)
            : new EdgeRow(
                series,
                failures,
                Rate(series.Totals.BytesSent, earlier.BytesSent, seconds),
                Rate(series.Totals.BytesReceived, earlier.BytesReceived, seconds),
                Rate(series.Totals.Connects + series.Totals.Accepts, earlier.Connects + earlier.Accepts, seconds),
                Rate(failures, before is null ? 0 : FailuresOf(before), seconds));
    }

    private static double Rate(ulong now, ulong before, double seconds) => now > before ? (now - before) / seconds : 0;

    private static ulong FailuresOf(TrafficSeries series)
    {
        var count = 0UL;
        foreach (var failure in series.Failures)
        {
            count += failure.Count;
        }

        return count;
    }
}
