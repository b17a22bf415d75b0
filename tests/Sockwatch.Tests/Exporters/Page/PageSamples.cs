using System.Collections.Immutable;
using Microsoft.AspNetCore.Http;
using Sockwatch.Aggregation;
using Sockwatch.Exporters.Page;
using Sockwatch.Kernel;

namespace Sockwatch.Tests.Exporters.Page;

/// <summary>Edges as a report has them, and views of them.</summary>
internal static class PageSamples
{
    public static readonly DateTimeOffset At = new(2026, 11, 23, 10, 15, 2, TimeSpan.Zero);

    public static TrafficSeries Series(
        long id,
        string workload = "web",
        string peer = "db",
        string role = "client",
        string peerClass = "private",
        string port = "443",
        string transport = "tcp",
        ulong sent = 0,
        ulong received = 0,
        long open = 0,
        ulong connects = 0,
        ulong failures = 0,
        string ns = "",
        string executable = "app") => new(
            id,
            new EdgeAttributes(
                ns, workload.Length == 0 ? "" : "Deployment", workload, executable, role, peerClass, "", peer.Length == 0 ? "" : "Deployment", peer, port, transport, "ipv4"),
            At,
            new EdgeTotals { BytesSent = sent, BytesReceived = received, Connects = connects },
            open,
            null,
            failures == 0 ? [] : [new TrafficFailures(SocketOperation.Connect, "connection_refused", new EdgeFailures { Count = failures })]);

    public static TrafficReport Report(int second, params ReadOnlySpan<TrafficSeries> series) => new()
    {
        Time = At + TimeSpan.FromSeconds(second),
        Series = [.. series],
        Observed = Observed([.. series]),
    };

    /// <summary>Of edges that stood still.</summary>
    public static TrafficView View(params ReadOnlySpan<TrafficSeries> series) => TrafficView.Of(Report(0, series), before: null);

    public static EdgeQuery Query(string address) =>
        EdgeQuery.Parse(Parse(address), out var error) ?? throw new InvalidOperationException(error);

    public static IQueryCollection Parse(string address) => new DefaultHttpContext { Request = { QueryString = new QueryString(address) } }.Request.Query;

    private static ObservedBytes Observed(ImmutableArray<TrafficSeries> series)
    {
        var (sent, received) = Some.Sum(series);
        return new ObservedBytes(sent, received);
    }
}
