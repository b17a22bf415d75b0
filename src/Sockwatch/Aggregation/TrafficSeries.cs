using System.Collections.Immutable;
using Sockwatch.Kernel;

namespace Sockwatch.Aggregation;

/// <summary>
/// The running totals of one label set at the time of a report. Immutable, and the same object as in the last report when
/// nothing changed, so that an exporter can skip it.
/// </summary>
internal sealed class TrafficSeries(
    long id,
    EdgeAttributes attributes,
    DateTimeOffset startedAt,
    in EdgeTotals totals,
    long open,
    TrafficTimings? timings,
    ImmutableArray<TrafficFailures> failures)
{
    private readonly EdgeTotals _totals = totals;

    /// <summary>Never used for another series while the agent runs.</summary>
    public long Id => id;

    public EdgeAttributes Attributes => attributes;

    /// <summary>When the totals began at zero.</summary>
    public DateTimeOffset StartedAt => startedAt;

    public ref readonly EdgeTotals Totals => ref _totals;

    public long Open => open;

    /// <summary>Null when nothing was timed: no TCP.</summary>
    public TrafficTimings? Timings => timings;

    public ImmutableArray<TrafficFailures> Failures => failures;

    public bool Has(TrafficMetric metric) => metric switch
    {
        TrafficMetric.SocketIo => (Totals.BytesSent | Totals.BytesReceived) != 0,
        TrafficMetric.SocketOperations =>
            (Totals.Sends | Totals.Receives | Totals.Connects | Totals.Accepts | Totals.Releases) != 0 || failures.Length > 0,
        TrafficMetric.ConnectionsOpen => Totals.Opened != 0 || open != 0,
        TrafficMetric.ConnectDuration => timings is { Connect.Count: > 0 } || failures.Any(failure => failure.HasDuration),
        TrafficMetric.ConnectionDuration => timings is { Connection.Count: > 0 },
        TrafficMetric.TcpRtt => timings is { Rtt.Count: > 0 },
        TrafficMetric.TcpRetransmits => Totals.Retransmits != 0,
        TrafficMetric.TcpResets => (Totals.ResetsSent | Totals.ResetsReceived) != 0,
        TrafficMetric.ListenOverflows => Totals.ListenOverflows != 0,
        _ => false,
    };
}

/// <summary>The histograms of one label set.</summary>
internal sealed class TrafficTimings(in EdgeTimings timings)
{
    private readonly EdgeTimings _timings = timings;

    public ref readonly Latency Connect => ref _timings.Connect;

    public ref readonly Latency Connection => ref _timings.Connection;

    public ref readonly Latency Rtt => ref _timings.Rtt;
}

/// <summary>How often one operation failed in one way.</summary>
internal sealed class TrafficFailures(SocketOperation operation, string errorType, in EdgeFailures failures)
{
    private readonly EdgeFailures _failures = failures;

    public SocketOperation Operation => operation;

    public string ErrorType => errorType;

    public ulong Count => _failures.Count;

    public ref readonly Latency Duration => ref _failures.Duration;

    /// <summary>Only failed connects are timed.</summary>
    public bool HasDuration => operation == SocketOperation.Connect && Duration.Count > 0;
}
