using System.Globalization;
using Microsoft.Extensions.Options;
using Sockwatch.Aggregation;
using Sockwatch.Kernel;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Aggregation;

/// <summary>Who has a series of their own when there are not enough for all.</summary>
public sealed class SeriesBudgetTests
{
    private readonly ManualTime _time = new();
    private readonly NamesByAddress _naming = new();

    [Fact]
    public void A_bigger_edge_takes_the_place_of_the_smallest_and_the_sum_of_the_page_is_the_same()
    {
        var table = Some.TrafficTable(_naming, _time, maxSeries: 3);
        Collect(table, ("1", 100), ("2", 200), ("3", 10));
        Assert.Equal([("1", 100UL), ("2", 200), ("_overflow", 10)], Sent(table));

        Collect(table, ("1", 100), ("2", 200), ("3", 250));
        Assert.Equal([("2", 200UL), ("_overflow", 350)], Sent(table));

        Collect(table, ("1", 101), ("2", 200), ("3", 260));
        Assert.Equal([("2", 200UL), ("3", 10), ("_overflow", 351)], Sent(table));
    }

    [Fact]
    public void A_new_edge_that_is_twice_as_big_is_on_the_page_from_the_first()
    {
        var table = Some.TrafficTable(_naming, _time, maxSeries: 3);
        Collect(table, ("1", 100), ("2", 200), ("3", 10));

        Collect(table, ("1", 100), ("2", 200), ("3", 10), ("4", 201));

        Assert.Equal([("2", 200UL), ("4", 201), ("_overflow", 110)], Sent(table));
    }

    [Fact]
    public void A_place_does_not_change_hands_for_little()
    {
        var table = Some.TrafficTable(_naming, _time, maxSeries: 2);
        Collect(table, ("1", 100), ("2", 99));

        for (var sent = 100UL; sent <= 200; sent += 10)
        {
            Collect(table, ("1", 100), ("2", sent));
            Assert.Equal([("1", 100UL), ("_overflow", sent)], Sent(table));
        }
    }

    [Fact]
    public void Two_that_grow_alike_change_places_ever_more_rarely()
    {
        var table = Some.TrafficTable(_naming, _time, maxSeries: 2);
        var (first, second, changes) = (1UL, 1UL, 0);
        var shown = "";
        var random = new Random(1);
        for (var round = 0; round < 2000; round++)
        {
            first += (ulong)random.Next(1, 1000);
            second += (ulong)random.Next(1, 1000);
            Collect(table, ("1", first), ("2", second));
            var now = string.Concat(Sent(table).Where(one => one.Peer != "_overflow").Select(one => one.Peer));
            changes += now.Length > 0 && now != shown ? 1 : 0;
            shown = now.Length > 0 ? now : shown;
        }

        Assert.InRange(changes, 1, 10);
    }

    [Fact]
    public void Room_that_is_left_goes_to_the_biggest_that_wait()
    {
        var table = Some.TrafficTable(_naming, _time, maxSeries: 2, seriesTtl: TimeSpan.FromSeconds(10));
        Collect(table, ("1", 1000), ("2", 20), ("3", 30));
        table.Forget(Some.Edge("198.51.100.1"));
        _time.Advance(TimeSpan.FromSeconds(10));

        Collect(table, ("2", 20), ("3", 30));
        Collect(table, ("2", 21), ("3", 32));

        Assert.Equal([("3", 2UL), ("_overflow", 51)], Sent(table));
        Assert.Equal(1000UL, table.Retired.Transmitted);
    }

    [Fact]
    public void Each_metric_has_a_budget_of_its_own_and_its_own_biggest()
    {
        var table = Some.TrafficTable(_naming, _time, maxSeries: 2);
        var failing = new EdgeFailureKey { Edge = Some.Edge("198.51.100.1"), Error = 111, Operation = SocketOperation.Connect };
        table.Begin();
        table.OnEdge(Some.Edge("198.51.100.1"), default);
        table.OnFailures(failing, new EdgeFailures { Count = 900 });
        table.OnEdge(Some.Edge("198.51.100.2"), Some.Bytes(1_000_000) with { Sends = 10, Opened = 1 });
        table.OnEdge(Some.Edge("198.51.100.3"), Some.Bytes(1_000) with { Sends = 20, Opened = 7 });
        table.Complete();

        var series = table.Snapshot().ToDictionary(one => one.Attributes.PeerName);
        Assert.Equal((0UL, 1_000_000UL, 1_000UL), (series["198.51.100.1"].Totals.BytesSent, series["198.51.100.2"].Totals.BytesSent, series["_overflow"].Totals.BytesSent));
        Assert.Equal(900UL, Assert.Single(series["198.51.100.1"].Failures).Count);
        Assert.Equal((0UL, 30UL), (series["198.51.100.2"].Totals.Sends, series["_overflow"].Totals.Sends));
        Assert.Equal((7L, 0L, 1L), (series["198.51.100.3"].Open, series["198.51.100.2"].Open, series["_overflow"].Open));
        var budget = table.Budget(table.Snapshot());
        Assert.Equal((2, 2, 2), (budget.Series[(int)TrafficMetric.SocketIo], budget.Series[(int)TrafficMetric.SocketOperations], budget.Series[(int)TrafficMetric.ConnectionsOpen]));
        Assert.Equal((1L, 2L, 1L), (budget.Folded[(int)TrafficMetric.SocketIo], budget.Folded[(int)TrafficMetric.SocketOperations], budget.Folded[(int)TrafficMetric.ConnectionsOpen]));
    }

    [Fact]
    public void Labels_of_a_metric_s_own_count_against_its_budget()
    {
        var table = Some.TrafficTable(_naming, _time, maxSeries: 5);
        table.Begin();
        for (var i = 1; i <= 4; i++)
        {
            table.OnEdge(Some.Edge($"198.51.100.{i}"), Some.Bytes(10, 10 * (ulong)i));
        }

        table.Complete();

        // Two for the biggest edge, two for the overflow; a second edge would make it six.
        Assert.Equal(4, table.Budget(table.Snapshot()).Series[(int)TrafficMetric.SocketIo]);
        Assert.Equal(["198.51.100.4", "_overflow"], table.Snapshot().Select(one => one.Attributes.PeerName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Histograms_have_a_smaller_budget()
    {
        var table = new TrafficTable(_naming, Options.Create(new AggregationOptions { MaxSeries = 100, MaxHistogramSeries = 3 }), _time);
        table.Begin();
        for (var i = 1; i <= 9; i++)
        {
            table.OnEdge(Some.Edge($"198.51.100.{i}"), Some.Bytes(10));
            var timings = new EdgeTimings();
            timings.Rtt.Buckets[2] = (ulong)i;
            timings.Rtt.SumNs = (ulong)i * 200_000;
            table.OnTimings(Some.Edge($"198.51.100.{i}"), timings);
        }

        table.Complete();

        var series = table.Snapshot();
        Assert.Equal(10, series.Length);
        Assert.Equal(3, table.Budget(series).Series[(int)TrafficMetric.TcpRtt]);
        Assert.Equal(3, table.Budget(series).LimitOf(TrafficMetric.TcpRtt));
        Assert.Equal(45UL, series.Aggregate(0UL, (sum, one) => sum + (one.Timings?.Rtt.Count ?? 0)));
        Assert.Equal(9UL, series.Single(one => one.Attributes.PeerName == "198.51.100.9").Timings!.Rtt.Count);
    }

    [Fact]
    public void What_is_open_moves_with_the_place_and_back()
    {
        var table = Some.TrafficTable(_naming, _time, maxSeries: 2);
        Open(table, ("1", 5, 0), ("2", 4, 0));
        Assert.Equal([("1", 5L), ("_overflow", 4)], Opened(table));

        Open(table, ("1", 5, 0), ("2", 40, 10));
        Open(table, ("1", 5, 1), ("2", 41, 10));

        Assert.Equal([("2", 31L), ("_overflow", 4)], Opened(table));
    }

    [Fact]
    public void Waiting_label_sets_are_bounded_and_who_was_forgotten_comes_back_when_it_is_big()
    {
        var table = Some.TrafficTable(_naming, _time, maxSeries: 10);
        var edges = Enumerable.Range(0, 20_000).Select(i => (Peer: string.Create(CultureInfo.InvariantCulture, $"10.1.{i / 250}.{i % 250}"), Sent: (ulong)i + 1)).ToArray();
        CollectAll(table, edges);
        Assert.InRange(table.LabelSets, 10, 10 + 1024 + 1);

        edges[0].Sent = 10_000_000;
        for (var round = 0; round < 4; round++)
        {
            _time.Advance(TimeSpan.FromMinutes(1));
            edges[0].Sent += 10;
            CollectAll(table, edges);
        }

        Assert.Contains(table.Snapshot(), one => one.Attributes.PeerName == "10.1.0.0" && one.Totals.BytesSent > 0);
        Assert.Equal(edges.Aggregate(0UL, (sum, edge) => sum + edge.Sent), Some.Sum(table.Snapshot()).Sent);
        Assert.InRange(table.LabelSets, 10, 10 + 1024 + 1);
    }

    /// <summary>
    /// Whatever happens, at every reading: the page and what has retired are all that was ever counted, metric by metric; no
    /// series goes backwards within one life; no metric has more series than its budget, but for the overflow's own.
    /// </summary>
    [Fact]
    public void Random_traffic_loses_nothing_and_goes_nowhere_backwards()
    {
        for (var seed = 0; seed < 60; seed++)
        {
            RandomRun(seed);
        }
    }

    private void RandomRun(int seed)
    {
        var random = new Random(seed);
        var kernel = new FakeKernelTotals { MaxEdges = random.Next(10, 60) };
        var table = new TrafficTable(_naming, Options.Create(new AggregationOptions
        {
            MaxSeries = random.Next(1, 40),
            MaxHistogramSeries = random.Next(1, 15),
            EdgeTtl = TimeSpan.FromMinutes(1),
            SeriesTtl = TimeSpan.FromMinutes(random.Next(1, 4)),
        }), _time);
        var truth = new Dictionary<string, decimal>();
        var before = new Dictionary<string, ulong>();
        for (var round = 0; round < 60; round++)
        {
            for (var i = random.Next(25); i > 0; i--)
            {
                Traffic(kernel, random, truth);
            }

            _naming.Workload = random.Next(6) switch { 0 => "", 1 => "a", 2 => "b", _ => "c" };
            _time.Advance(TimeSpan.FromSeconds(random.Next(0, 40)));
            table.Begin();
            kernel.ReadEdges(table);
            table.Complete();
            foreach (var idle in table.IdleEdges())
            {
                kernel.RemoveEdges([idle]);
                table.Forget(idle);
            }

            var series = table.Snapshot();
            var sums = new Sums();
            var lives = new Lives();
            foreach (var one in series)
            {
                one.Visit(ref sums);
                lives.Of = one;
                one.Visit(ref lives);
            }

            table.RetiredTotals.Visit(ref sums);
            Assert.Equal(truth.Where(one => one.Value != 0).OrderBy(one => one.Key, StringComparer.Ordinal), sums.ByKind.OrderBy(one => one.Key, StringComparer.Ordinal));
            Assert.All(lives.Values, life => Assert.True(life.Value >= before.GetValueOrDefault(life.Key), $"seed {seed}, round {round}: {life.Key} went back to {life.Value}"));
            before = lives.Values;
            var budget = table.Budget(series);
            for (var metric = 0; metric < TrafficMetrics.Count; metric++)
            {
                var overflow = series.SingleOrDefault(one => one.Attributes == EdgeAttributes.Overflow)?.Points((TrafficMetric)metric) ?? 0;
                Assert.InRange(budget.Series[metric], 0, Math.Max(budget.LimitOf((TrafficMetric)metric), overflow));
            }
        }
    }

    private static void Traffic(FakeKernelTotals kernel, Random random, Dictionary<string, decimal> truth)
    {
        // A few that are busy, many that are not, and new busy ones as time goes by.
        var peer = random.Next(3) == 0 ? random.Next(5) : random.Next(200);
        var edge = Some.Edge($"198.51.100.{peer}", random.Next(2) == 0 ? NetworkRole.Client : NetworkRole.Server);
        var growth = new EdgeTotals
        {
            BytesSent = (ulong)random.Next(1000), BytesReceived = (ulong)random.Next(2) * 7, Sends = (ulong)random.Next(4),
            Receives = (ulong)random.Next(2), Connects = (ulong)random.Next(2), Releases = (ulong)random.Next(2),
            Retransmits = (ulong)random.Next(2), ResetsSent = (ulong)random.Next(2), ListenOverflows = (ulong)random.Next(2),
        };
        var open = (ulong)random.Next(2);
        kernel.Count(edge, growth with { Opened = open, Closed = open });
        edge = kernel.Edges.ContainsKey(edge) ? edge : EdgeKey.Overflow;
        Tell("io transmit", growth.BytesSent);
        Tell("io receive", growth.BytesReceived);
        Tell("send", growth.Sends);
        Tell("recv", growth.Receives);
        Tell("connect", growth.Connects);
        Tell("release", growth.Releases);
        Tell("retransmits", growth.Retransmits);
        Tell("resets", growth.ResetsSent);
        Tell("overflows", growth.ListenOverflows);
        if (random.Next(2) == 0)
        {
            var timings = kernel.Timings.GetValueOrDefault(edge);
            timings.Rtt.AddGrowth(Some.Latency(70_000), default);
            timings.Connect.AddGrowth(Some.Latency(300_000), default);
            kernel.Timings[edge] = timings;
            Tell("rtt", 1);
            Tell("rtt ns", 70_000);
            Tell("connect time ", 1);
            Tell("connect time  ns", 300_000);
        }

        if (random.Next(3) == 0)
        {
            var error = random.Next(2) == 0 ? (ushort)111 : (ushort)110;
            var key = new EdgeFailureKey { Edge = edge, Error = error, Operation = SocketOperation.Connect };
            var failures = kernel.Failures.GetValueOrDefault(key);
            failures.Count++;
            failures.Duration.AddGrowth(Some.Latency(60_000), default);
            kernel.Failures[key] = failures;
            Tell($"connect {ErrorType.Name(error)}", 1);
            Tell($"connect time {ErrorType.Name(error)}", 1);
            Tell($"connect time {ErrorType.Name(error)} ns", 60_000);
        }

        void Tell(string kind, ulong count) => truth[kind] = truth.GetValueOrDefault(kind) + count;
    }

    private static string Kind(TrafficMetric metric, string first, string second) => metric switch
    {
        TrafficMetric.SocketIo => $"io {first}",
        TrafficMetric.SocketOperations => second.Length == 0 ? first : $"{first} {second}",
        TrafficMetric.TcpRetransmits => "retransmits",
        TrafficMetric.TcpResets => "resets",
        TrafficMetric.ListenOverflows => "overflows",
        TrafficMetric.TcpRtt => "rtt",
        _ => $"connect time {first}",
    };

    private struct Sums() : ITrafficPoints
    {
        public Dictionary<string, decimal> ByKind { get; } = [];

        public readonly void Count(TrafficMetric metric, ulong total, string first, string second) => Add(Kind(metric, first, second), total);

        public readonly void Level(TrafficMetric metric, long now)
        {
        }

        public readonly void Time(TrafficMetric metric, in Latency total, string first)
        {
            Add(Kind(metric, first, ""), total.Count);
            Add(Kind(metric, first, "") + " ns", total.SumNs);
        }

        private readonly void Add(string kind, ulong count) => ByKind[kind] = ByKind.GetValueOrDefault(kind) + count;
    }

    private struct Lives() : ITrafficPoints
    {
        public TrafficSeries Of { get; set; } = null!;

        public Dictionary<string, ulong> Values { get; } = [];

        public readonly void Count(TrafficMetric metric, ulong total, string first, string second) =>
            Values.Add($"{Of.Id} {Of.StartedAt(metric).Ticks} {metric} {first} {second}", total);

        public readonly void Level(TrafficMetric metric, long now)
        {
        }

        public readonly void Time(TrafficMetric metric, in Latency total, string first) =>
            Values.Add($"{Of.Id} {Of.StartedAt(metric).Ticks} {metric} {first}", total.Count);
    }

    private static List<(string Peer, ulong Sent)> Sent(TrafficTable table) =>
    [
        .. table.Snapshot().Where(one => one.Totals.BytesSent > 0)
            .Select(one => (one.Attributes.PeerName.Replace("198.51.100.", "", StringComparison.Ordinal), one.Totals.BytesSent))
            .OrderBy(one => one.Item1, StringComparer.Ordinal),
    ];

    private static List<(string Peer, long Open)> Opened(TrafficTable table) =>
    [
        .. table.Snapshot().Where(one => one.Has(TrafficMetric.ConnectionsOpen))
            .Select(one => (one.Attributes.PeerName.Replace("198.51.100.", "", StringComparison.Ordinal), one.Open))
            .OrderBy(one => one.Item1, StringComparer.Ordinal),
    ];

    private static void Collect(TrafficTable table, params (string Peer, ulong Sent)[] edges) =>
        CollectAll(table, edges.Select(edge => ($"198.51.100.{edge.Peer}", edge.Sent)));

    private static void CollectAll(TrafficTable table, IEnumerable<(string Peer, ulong Sent)> edges)
    {
        table.Begin();
        foreach (var (peer, sent) in edges)
        {
            table.OnEdge(Some.Edge(peer), Some.Bytes(sent));
        }

        table.Complete();
    }

    private static void Open(TrafficTable table, params (string Peer, ulong Opened, ulong Closed)[] edges)
    {
        table.Begin();
        foreach (var (peer, opened, closed) in edges)
        {
            table.OnEdge(Some.Edge($"198.51.100.{peer}"), new EdgeTotals { Opened = opened, Closed = closed });
        }

        table.Complete();
    }
}
