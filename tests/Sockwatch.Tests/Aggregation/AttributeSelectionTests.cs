using Microsoft.Extensions.Options;
using Sockwatch.Aggregation;
using Sockwatch.Kernel;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Aggregation;

public sealed class AttributeSelectionTests
{
    [Fact]
    public void Edges_that_differ_only_in_what_was_dropped_share_a_series_and_its_sum()
    {
        var table = Table(new AggregationOptions { DropAttributes = { "peer.name", "peer.kind" } });

        Collect(table, ("198.51.100.1", 5), ("203.0.113.9", 7));

        var series = Assert.Single(table.Snapshot());
        Assert.Equal((12UL, "", "", "nginx"), (series.Totals.BytesSent, series.Attributes.PeerName, series.Attributes.PeerKind, series.Attributes.ProcessExecutableName));
    }

    [Fact]
    public void Peers_can_be_told_apart_by_a_part_of_their_address()
    {
        var table = Table(new AggregationOptions { DropAttributes = { "peer.name" }, PeerAddressBits4 = 20, PeerAddressBits6 = 48 });

        Collect(table, ("198.51.100.1", 5), ("198.51.111.9", 7), ("198.51.112.9", 1), ("2001:db8:7:1::1", 2), ("2001:db8:7:9::1", 4));

        Assert.Equal(
            [("198.51.112.0/20", 1UL), ("198.51.96.0/20", 12UL), ("2001:db8:7::/48", 6UL)],
            table.Snapshot().Select(series => (series.Attributes.PeerAddress, series.Totals.BytesSent)).OrderBy(one => one.PeerAddress, StringComparer.Ordinal));
    }

    [Fact]
    public void The_whole_address_is_written_without_a_length()
    {
        var table = Table(new AggregationOptions { PeerAddressBits4 = 32 });

        Collect(table, ("198.51.100.1", 5));

        Assert.Equal("198.51.100.1", Assert.Single(table.Snapshot()).Attributes.PeerAddress);
    }

    [Fact]
    public void A_name_that_comes_late_is_awaited_even_if_it_is_dropped()
    {
        var naming = new NamesByAddress { Workload = "" };
        var table = Table(new AggregationOptions { DropAttributes = { "workload.kind" } }, naming);
        Collect(table, ("198.51.100.1", 5));

        naming.Workload = "curl";
        Collect(table, ("198.51.100.1", 8));

        Assert.Equal([("", 5UL), ("curl", 3UL)], table.Snapshot().Select(series => (series.Attributes.WorkloadName, series.Totals.BytesSent)).Order());
    }

    private static TrafficTable Table(AggregationOptions options, NamesByAddress? naming = null) =>
        new(naming ?? new NamesByAddress(), Options.Create(options), new ManualTime());

    private static void Collect(TrafficTable table, params (string Peer, ulong Sent)[] edges)
    {
        table.Begin();
        foreach (var (peer, sent) in edges)
        {
            table.OnEdge(Some.Edge(peer), Some.Bytes(sent));
        }

        table.Complete();
    }
}
