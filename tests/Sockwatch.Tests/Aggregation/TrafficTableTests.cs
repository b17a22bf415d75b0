using Sockwatch.Verdicts;
using Microsoft.Extensions.Options;
using System.Text;
using Sockwatch.Aggregation;
using Sockwatch.Kernel;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Aggregation;

public sealed class TrafficTableTests
{
    private readonly ManualTime _time = new();
    private readonly NamesByAddress _naming = new();

    [Fact]
    public void Adds_only_the_growth_of_an_edge()
    {
        var table = Some.TrafficTable(_naming, _time);

        Collect(table, (Some.Edge(), Some.Bytes(5, 7)));
        Collect(table, (Some.Edge(), Some.Bytes(5, 7)));
        Collect(table, (Some.Edge(), Some.Bytes(8, 7)));

        var series = Assert.Single(table.Snapshot());
        Assert.Equal((8UL, 7UL), (series.Totals.BytesSent, series.Totals.BytesReceived));
    }

    [Fact]
    public void An_edge_whose_name_is_on_its_way_is_published_under_that_name_with_all_it_has_counted()
    {
        _naming.AreProvisional = true;
        _naming.Workload = "3f2a90b1";
        var table = Some.TrafficTable(_naming, _time);
        Collect(table, (Some.Edge(), Some.Bytes(5, 7)));
        Assert.Empty(table.Snapshot());

        _time.Advance(TimeSpan.FromSeconds(2));
        Collect(table, (Some.Edge(), Some.Bytes(8, 9)));
        Assert.Empty(table.Snapshot());
        _naming.AreProvisional = false;
        _naming.Workload = "checkout";
        Collect(table, (Some.Edge(), Some.Bytes(8, 9)));

        var series = Assert.Single(table.Snapshot());
        Assert.Equal(("checkout", 8UL, 9UL), (series.Attributes.WorkloadName, series.Totals.BytesSent, series.Totals.BytesReceived));
    }

    [Fact]
    public void An_edge_whose_name_does_not_come_is_published_all_the_same_and_never_goes_backwards()
    {
        _naming.AreProvisional = true;
        _naming.Workload = "3f2a90b1";
        var table = Some.TrafficTable(_naming, _time, edgeTtl: TimeSpan.FromSeconds(5));
        Collect(table, (Some.Edge(), Some.Bytes(5)));
        _time.Advance(TimeSpan.FromSeconds(10));
        Collect(table, (Some.Edge(), Some.Bytes(5)));
        Assert.Empty(table.IdleEdges());
        _time.Advance(TimeSpan.FromSeconds(10));
        Collect(table, (Some.Edge(), Some.Bytes(8)));

        _naming.AreProvisional = false;
        _naming.Workload = "checkout";
        _time.Advance(TimeSpan.FromMinutes(2));
        Collect(table, (Some.Edge(), Some.Bytes(10)));

        var bytes = table.Snapshot().ToDictionary(series => series.Attributes.WorkloadName, series => series.Totals.BytesSent);
        Assert.Equal(new() { ["3f2a90b1"] = 8, ["checkout"] = 2 }, bytes);
    }

    [Fact]
    public void Counts_detections_by_name_and_moves_them_when_they_are_folded()
    {
        var detections = new Detections(_time);
        uint bad = detections.NumberOf(1, "Bad"u8), worse = detections.NumberOf(2, "Worse"u8);
        var table = new TrafficTable(_naming, Options.Create(new AggregationOptions()), _time, detections);

        table.Begin();
        table.OnDetections(new EdgeDetectionKey { Edge = Some.Edge(), Detection = bad }, 3);
        table.OnDetections(new EdgeDetectionKey { Edge = Some.Edge(), Detection = worse }, 1);
        table.Complete();
        table.Begin();
        table.OnDetections(new EdgeDetectionKey { Edge = Some.Edge(), Detection = bad }, 5);
        table.OnDetections(new EdgeDetectionKey { Edge = Some.Edge(), Detection = 999 }, 2);
        table.Complete();

        var series = Assert.Single(table.Snapshot());
        Assert.Equal([("Bad", 5), ("Worse", 1), ("_other", 2)], series.Detections.Select(one => (one.Name, (int)one.Count)));
        Assert.Equal(3, series.Points(TrafficMetric.Detections));
    }

    [Fact]
    public void What_is_counted_after_the_lists_have_changed_has_the_new_name_at_once()
    {
        var detections = new Detections(_time);
        uint bad = detections.NumberOf(1, "Bad"u8);
        var table = new TrafficTable(_naming, Options.Create(new AggregationOptions()), _time, detections);
        Collect(table, (Some.Edge(), Some.Bytes(5)));
        Collect(table, (Some.Edge(), Some.Bytes(6)));

        _naming.Workload = "listed";
        _naming.Generation++;
        table.Begin();
        table.OnEdge(Some.Edge(), Some.Bytes(9));
        table.OnDetections(new EdgeDetectionKey { Edge = Some.Edge(), Detection = bad }, 1);
        table.Complete();

        var series = table.Snapshot().ToDictionary(one => one.Attributes.WorkloadName);
        Assert.Equal((6UL, 3UL), (series["nginx.service"].Totals.BytesSent, series["listed"].Totals.BytesSent));
        Assert.Empty(series["nginx.service"].Detections);
        Assert.Equal(1UL, Assert.Single(series["listed"].Detections).Count);
    }

    [Fact]
    public void Names_of_detections_beyond_what_one_label_set_may_have_share_one()
    {
        var detections = new Detections(_time);
        var table = new TrafficTable(_naming, Options.Create(new AggregationOptions()), _time, detections);

        table.Begin();
        for (var i = 0; i < 1000; i++)
        {
            table.OnDetections(new EdgeDetectionKey { Edge = Some.Edge(), Detection = detections.NumberOf((uint)i, Encoding.UTF8.GetBytes($"name {i}")) }, 1);
        }

        table.Complete();

        var series = Assert.Single(table.Snapshot());
        Assert.Equal(257, series.Detections.Length);
        Assert.Equal(1000, series.Detections.Sum(one => (long)one.Count));
    }

    [Fact]
    public void Puts_edges_of_the_same_names_into_one_series()
    {
        _naming.AllTheSame = true;
        var table = Some.TrafficTable(_naming, _time);

        Collect(table, (Some.Edge("198.51.100.1"), Some.Bytes(5)), (Some.Edge("198.51.100.2"), Some.Bytes(7)));

        Assert.Equal(12UL, Assert.Single(table.Snapshot()).Totals.BytesSent);
    }

    [Fact]
    public void Hands_out_the_same_object_while_a_series_does_not_change()
    {
        var table = Some.TrafficTable(_naming, _time);
        Collect(table, (Some.Edge(), Some.Bytes(5)));
        var before = Assert.Single(table.Snapshot());

        Collect(table, (Some.Edge(), Some.Bytes(5)));

        Assert.Same(before, Assert.Single(table.Snapshot()));
    }

    [Fact]
    public void Folds_the_smallest_new_ones_beyond_the_budget_and_keeps_the_sum()
    {
        var table = Some.TrafficTable(_naming, _time, maxSeries: 3);

        Collect(table,
            (Some.Edge("198.51.100.1"), Some.Bytes(5)),
            (Some.Edge("198.51.100.2"), Some.Bytes(700)),
            (Some.Edge("198.51.100.3"), Some.Bytes(6)),
            (Some.Edge("198.51.100.4"), Some.Bytes(800)));

        var bytes = table.Snapshot().ToDictionary(series => series.Attributes.PeerName, series => series.Totals.BytesSent);
        Assert.Equal(new() { ["198.51.100.2"] = 700, ["198.51.100.4"] = 800, ["_overflow"] = 11 }, bytes);
        Assert.Equal(2, table.Budget(table.Snapshot()).Folded[(int)TrafficMetric.SocketIo]);
        Assert.Equal(0, table.Budget(table.Snapshot()).Folded[(int)TrafficMetric.TcpRtt]);
    }

    [Fact]
    public void Goes_on_counting_a_folded_edge_under_the_overflow()
    {
        var table = Some.TrafficTable(_naming, _time, maxSeries: 2);
        Collect(table, (Some.Edge("198.51.100.1"), Some.Bytes(50)), (Some.Edge("198.51.100.2"), Some.Bytes(5)));

        Collect(table, (Some.Edge("198.51.100.1"), Some.Bytes(50)), (Some.Edge("198.51.100.2"), Some.Bytes(9)));

        Assert.Equal(9UL, Series(table, "_overflow").Totals.BytesSent);
    }

    [Fact]
    public void Counts_the_kernels_own_overflow_under_the_same_series()
    {
        var table = Some.TrafficTable(_naming, _time);

        Collect(table, (EdgeKey.Overflow, Some.Bytes(4)));

        Assert.Equal(EdgeAttributes.Overflow, Assert.Single(table.Snapshot()).Attributes);
    }

    [Fact]
    public void Lets_no_series_go_backwards_when_a_name_changes()
    {
        var table = Some.TrafficTable(_naming, _time);
        _naming.Workload = "";
        Collect(table, (Some.Edge(), Some.Bytes(5) with { Opened = 1 }));

        _naming.Workload = "curl";
        _time.Advance(TimeSpan.FromSeconds(5));
        Collect(table, (Some.Edge(), Some.Bytes(8) with { Opened = 1 }));

        var before = table.Snapshot().Single(series => series.Attributes.WorkloadName == "");
        var after = table.Snapshot().Single(series => series.Attributes.WorkloadName == "curl");
        Assert.Equal((5UL, 3UL), (before.Totals.BytesSent, after.Totals.BytesSent));
        Assert.Equal((0L, 1L), (before.Open, after.Open));
    }

    [Fact]
    public void Shows_as_open_what_was_opened_and_not_closed()
    {
        var table = Some.TrafficTable(_naming, _time);

        Collect(table, (Some.Edge(), new EdgeTotals { Opened = 5, Closed = 2 }));

        Assert.Equal(3, Assert.Single(table.Snapshot()).Open);
    }

    [Fact]
    public void Hands_out_idle_edges_but_none_with_an_open_socket()
    {
        var table = Some.TrafficTable(_naming, _time);
        (EdgeKey, EdgeTotals)[] edges =
        [
            (Some.Edge("198.51.100.1"), new EdgeTotals { Opened = 1, Closed = 1 }),
            (Some.Edge("198.51.100.2"), new EdgeTotals { Opened = 2, Closed = 1 }),
            (EdgeKey.Overflow, Some.Bytes(1)),
        ];
        Collect(table, edges);
        Assert.Empty(table.IdleEdges());

        _time.Advance(TimeSpan.FromMinutes(10));
        Collect(table, edges);

        Assert.Equal([Some.Edge("198.51.100.1")], table.IdleEdges());
    }

    [Fact]
    public void Keeps_the_bytes_of_a_forgotten_edge_and_counts_it_from_zero_when_it_returns()
    {
        var table = Some.TrafficTable(_naming, _time);
        Collect(table, (Some.Edge(), Some.Bytes(5)));

        table.Forget(Some.Edge());
        Collect(table);
        Collect(table, (Some.Edge(), Some.Bytes(2)));

        Assert.Equal(7UL, Assert.Single(table.Snapshot()).Totals.BytesSent);
    }

    [Fact]
    public void Retires_a_series_without_edges_after_its_time_and_remembers_its_bytes()
    {
        var table = Some.TrafficTable(_naming, _time);
        Collect(table, (Some.Edge(), Some.Bytes(5, 6)));
        table.Forget(Some.Edge());

        _time.Advance(TimeSpan.FromMinutes(9));
        Collect(table);
        Assert.Single(table.Snapshot());
        _time.Advance(TimeSpan.FromMinutes(1));
        Collect(table);

        Assert.Empty(table.Snapshot());
        Assert.Equal((5UL, 6UL), (table.Retired.Transmitted, table.Retired.Received));
    }

    [Fact]
    public void Adds_up_timings_and_failures_by_name_of_the_error()
    {
        var table = Some.TrafficTable(_naming, _time);
        var refused = new EdgeFailureKey { Edge = Some.Edge(), Error = 111, Operation = SocketOperation.Connect };
        var odd = refused with { Error = 4000 };
        var odder = refused with { Error = 4001 };

        foreach (var round in new ulong[] { 1, 2 })
        {
            table.Begin();
            table.OnFailures(refused, new EdgeFailures { Count = round, Duration = Some.Latency(60_000) });
            table.OnFailures(odd, new EdgeFailures { Count = round });
            table.OnFailures(odder, new EdgeFailures { Count = round });
            table.OnTimings(Some.Edge(), new EdgeTimings { Rtt = Some.Latency(70_000) });
            table.Complete();
        }

        var series = Assert.Single(table.Snapshot());
        Assert.Equal(
            [("_OTHER", 4UL, 0UL), ("connection_refused", 2UL, 1UL)],
            series.Failures.Select(failure => (failure.ErrorType, failure.Count, failure.Duration.Count)));
        Assert.Equal(1UL, series.Timings!.Rtt.Count);
        Assert.Equal(70_000UL, series.Timings!.Rtt.SumNs);
    }

    [Fact]
    public void Takes_an_edge_that_shrank_for_a_new_one()
    {
        var table = Some.TrafficTable(_naming, _time);
        Collect(table, (Some.Edge(), Some.Bytes(100) with { Opened = 3 }));

        Collect(table, (Some.Edge(), Some.Bytes(10) with { Opened = 1 }));

        var series = Assert.Single(table.Snapshot());
        Assert.Equal((110UL, 1L), (series.Totals.BytesSent, series.Open));
    }

    [Fact]
    public void Allocates_nothing_for_edges_that_did_not_change()
    {
        var table = Some.TrafficTable(_naming, _time, maxSeries: 10_000);
        var edges = Enumerable.Range(0, 1000).Select(i => (Key: Some.Edge($"198.51.{i / 250}.{i % 250}"), Totals: Some.Bytes((ulong)i + 1))).ToArray();
        Collect(table, edges);
        Collect(table, edges);
        table.Begin();
        var before = GC.GetAllocatedBytesForCurrentThread();

        foreach (ref readonly var edge in edges.AsSpan())
        {
            table.OnEdge(edge.Key, edge.Totals);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Stays_within_its_budget_for_any_number_of_peers_and_loses_no_byte()
    {
        const int peers = 200_000; // A million go through both faces in OtlpScaleTests.
        var kernel = new FakeKernelTotals { MaxEdges = 65_536 };
        var table = Some.TrafficTable(_naming, _time, maxSeries: 1000, edgeTtl: TimeSpan.FromSeconds(10), seriesTtl: TimeSpan.FromSeconds(20));
        var sent = 0UL;
        for (var i = 0; i < peers; i++)
        {
            var address = new byte[16];
            BitConverter.TryWriteBytes(address, i + 1);
            address[15] = 0x20;
            var bytes = (ulong)(i % 1400) + 1;
            sent += bytes;
            kernel.Count(Some.Edge() with { PeerAddress = new Address16(address), NetworkType = 6 }, Some.Bytes(bytes));
            if (i % 10_000 == 9_999)
            {
                _time.Advance(TimeSpan.FromSeconds(5));
                table.Begin();
                kernel.ReadEdges(table);
                table.Complete();
                foreach (var idle in table.IdleEdges())
                {
                    kernel.RemoveEdges([idle]);
                    table.Forget(idle);
                }

                Assert.Equal(sent, Some.Sum(table.Snapshot()).Sent + table.Retired.Transmitted);
                Assert.InRange(table.Snapshot().Length, 1, 1000);
                Assert.InRange(table.Edges, 1, kernel.MaxEdges + 1);
            }
        }

        Assert.NotEmpty(kernel.Removed);
        Assert.True(table.Retired.Transmitted > 0);
    }

    [Fact]
    public void Keeps_the_sum_through_any_mix_of_growth_renaming_folding_and_leaving()
    {
        for (var seed = 0; seed < 30; seed++)
        {
            var random = new Random(seed);
            var kernel = new FakeKernelTotals { MaxEdges = 40 };
            var table = Some.TrafficTable(_naming, _time, maxSeries: random.Next(1, 20), edgeTtl: TimeSpan.FromMinutes(1), seriesTtl: TimeSpan.FromMinutes(2));
            var sent = 0UL;
            var last = new Dictionary<(long Id, DateTimeOffset StartedAt), ulong>();
            for (var round = 0; round < 60; round++)
            {
                for (var i = random.Next(20); i > 0; i--)
                {
                    var bytes = (ulong)random.Next(1, 1000);
                    sent += bytes;
                    kernel.Count(Some.Edge($"198.51.100.{random.Next(60)}"), Some.Bytes(bytes));
                }

                _naming.Workload = random.Next(4) switch { 0 => "", 1 => "a", _ => "b" };
                _time.Advance(TimeSpan.FromSeconds(random.Next(1, 40)));
                table.Begin();
                kernel.ReadEdges(table);
                table.Complete();
                foreach (var idle in table.IdleEdges())
                {
                    kernel.RemoveEdges([idle]);
                    table.Forget(idle);
                }

                var series = table.Snapshot();
                Assert.Equal(sent, Some.Sum(series).Sent + table.Retired.Transmitted);
                Assert.All(series, one => Assert.True(one.Totals.BytesSent >= last.GetValueOrDefault((one.Id, one.StartedAt(TrafficMetric.SocketIo)))));
                last = series.ToDictionary(one => (one.Id, one.StartedAt(TrafficMetric.SocketIo)), one => one.Totals.BytesSent);
            }
        }
    }

    private static TrafficSeries Series(TrafficTable table, string peer) =>
        table.Snapshot().Single(series => series.Attributes.PeerName == peer);

    private static void Collect(TrafficTable table, params (EdgeKey Key, EdgeTotals Totals)[] edges)
    {
        table.Begin();
        foreach (var (key, totals) in edges)
        {
            table.OnEdge(key, totals);
        }

        table.Complete();
    }
}
