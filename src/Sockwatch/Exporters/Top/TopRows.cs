using Sockwatch.Aggregation;

namespace Sockwatch.Exporters.Top;

/// <summary>The rows of <c>sockwatch top</c>.</summary>
internal static class TopRows
{
    /// <summary>What is open or moved between two reports.</summary>
    public static IReadOnlyList<TopRow> Between(TrafficReport before, TrafficReport now)
    {
        var seconds = (now.Time - before.Time).TotalSeconds;
        if (seconds <= 0)
        {
            return [];
        }

        var earlier = before.Series.ToDictionary(series => series.Id);
        return
        [
            .. now.Series
                .Select(series => Row(earlier.GetValueOrDefault(series.Id), series, seconds))
                .Where(row => row.Open > 0 || row.SentPerSecond + row.ReceivedPerSecond + row.ConnectionsPerSecond + row.FailuresPerSecond > 0),
        ];
    }

    /// <summary>The busiest first; among equals by name, so that rows do not jump.</summary>
    public static IReadOnlyList<TopRow> By(TopOrder order, IEnumerable<TopRow> rows) =>
    [
        .. rows
            .OrderByDescending(row => row.Key(order))
            .ThenBy(row => row.Executable, StringComparer.Ordinal)
            .ThenBy(row => row.Workload, StringComparer.Ordinal)
            .ThenBy(row => row.Peer, StringComparer.Ordinal)
            .ThenBy(row => row.Port, StringComparer.Ordinal),
    ];

    private static TopRow Row(TrafficSeries? before, TrafficSeries now, double seconds)
    {
        var earlier = before?.Totals ?? default;
        var edge = now.Attributes;
        return new TopRow(
            edge.ProcessExecutableName,
            edge.WorkloadNamespace.Length > 0 ? $"{edge.WorkloadNamespace}/{edge.WorkloadName}" : edge.WorkloadName,
            edge.NetworkRole,
            edge.PeerName.Length > 0 ? edge.PeerName : edge.PeerClass,
            edge.ServerPort,
            edge.NetworkTransport,
            Rate(now.Totals.BytesSent, earlier.BytesSent),
            Rate(now.Totals.BytesReceived, earlier.BytesReceived),
            now.Open,
            Rate(now.Totals.Connects + now.Totals.Accepts, earlier.Connects + earlier.Accepts),
            Rate(Failures(now), before is null ? 0 : Failures(before)));

        double Rate(ulong total, ulong last) => total > last ? (total - last) / seconds : 0;
    }

    private static ulong Failures(TrafficSeries series)
    {
        var count = 0UL;
        foreach (var failure in series.Failures)
        {
            count += failure.Count;
        }

        return count;
    }
}
