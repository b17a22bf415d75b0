using System.Collections.Immutable;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;
using Sockwatch.Reader;

namespace Sockwatch.Aggregation;

/// <summary>Everything one collection found. Immutable; every exporter reads the same one, so they cannot disagree.</summary>
internal sealed record TrafficReport
{
    /// <summary>Before the first collection succeeds.</summary>
    public static readonly TrafficReport Empty = new();

    /// <summary>When the kernel was read.</summary>
    public DateTimeOffset Time { get; init; }

    public ImmutableArray<TrafficSeries> Series { get; init; } = [];

    public SeriesBudget Budget { get; init; } = SeriesBudget.None;

    /// <summary>Counted on all sockets, attributed to none.</summary>
    public ObservedBytes Observed { get; init; }

    /// <summary>Bytes of series that have left the report: with the series that remain, all that was ever read.</summary>
    public ObservedBytes Retired { get; init; }

    /// <summary>The same of every metric; null when nothing has left.</summary>
    public TrafficSeries? RetiredTotals { get; init; }

    /// <summary>How many flows began, by <see cref="FlowAttribution"/>.</summary>
    public ImmutableArray<ulong> Attributions { get; init; } = [0, 0, 0, 0];

    /// <summary>By <see cref="DnsOutcome"/>.</summary>
    public ImmutableArray<long> DnsAnswers { get; init; } = [0, 0, 0, 0, 0];

    public IReadOnlyList<Loss> Losses { get; init; } = [];

    public IReadOnlyList<HookReport> Hooks { get; init; } = [];

    public IReadOnlyList<MapOccupancy> Maps { get; init; } = [];

    public IReadOnlyList<ProgramCost> Programs { get; init; } = [];

    public IReadOnlyList<CacheEvictions> Caches { get; init; } = [];

    public IReadOnlyList<ControlRefusal> ControlRefusals { get; init; } = [];

    public ListCounts Lists { get; init; }

    /// <summary>How long the collection took.</summary>
    public TimeSpan Duration { get; init; }

    public long CollectionFailures { get; init; }
}
