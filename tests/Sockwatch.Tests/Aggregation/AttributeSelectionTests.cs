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
    public void What_is_added_tells_series_apart_and_leaves_the_sum_as_it_was()
    {
        var naming = new NamesByAddress { AllTheSame = true, Pods = true };
        (string Peer, ulong Sent)[] edges = [("198.51.100.1", 5), ("198.51.100.2", 7), ("198.51.100.2", 9), ("2001:db8::1", 2)];
        var plain = Table(new AggregationOptions(), naming);
        var added = Table(new AggregationOptions { AddAttributes = { "network.peer.address", "k8s.pod.name" } }, naming);
        var byPod = Table(new AggregationOptions { AddAttributes = { "k8s.pod.name" }, DropAttributes = { "network.type" } }, naming);

        Array.ForEach([plain, added, byPod], table => Collect(table, edges));

        Assert.Equal([16UL], plain.Snapshot().Select(series => series.Totals.BytesSent));
        Assert.Equal(
            [("198.51.100.1", "pod-1", 5UL), ("198.51.100.2", "pod-2", 9UL), ("2001:db8::1", "pod-1", 2UL)],
            added.Snapshot().Select(series => (series.Attributes.PeerAddress, series.Attributes.PodName, series.Totals.BytesSent)).Order());
        Assert.Equal(
            [("pod-1", 7UL), ("pod-2", 9UL)],
            byPod.Snapshot().Select(series => (series.Attributes.PodName, series.Totals.BytesSent)).Order());
    }

    [Fact]
    public void Processes_are_series_of_their_own_only_if_pids_are_added()
    {
        var naming = new NamesByAddress { AllTheSame = true, Pids = true };
        var plain = Table(new AggregationOptions(), naming);
        var added = Table(new AggregationOptions { AddAttributes = { "process.pid" } }, naming);
        var alone = Table(new AggregationOptions { AddAttributes = { "process.pid" }, DropAttributes = { "process.executable.name", "workload.name" } }, naming);

        Array.ForEach([plain, added, alone], table => Collect(table, (Some.ProcessOf(1UL << 22, 7), 5), (Some.ProcessOf(1UL << 22, 8), 7), (Some.ProcessOf(2UL << 22, 8), 1)));

        Assert.Equal([("", 13UL)], plain.Snapshot().Select(series => (series.Attributes.ProcessPid, series.Totals.BytesSent)));
        Assert.Equal([("7", 5UL), ("8", 8UL)], added.Snapshot().Select(series => (series.Attributes.ProcessPid, series.Totals.BytesSent)).Order());
        Assert.Equal([("7", "", 5UL), ("8", "", 8UL)], alone.Snapshot().Select(series => (series.Attributes.ProcessPid, series.Attributes.ProcessExecutableName, series.Totals.BytesSent)).Order());
    }

    [Fact]
    public void Processes_beyond_the_budget_fold_without_their_pid_and_lose_nothing()
    {
        var naming = new NamesByAddress { AllTheSame = true, Pids = true };
        var table = Table(new AggregationOptions { AddAttributes = { "process.pid" }, MaxSeries = 20 }, naming);

        Collect(table, [.. Enumerable.Range(1, 100).Select(pid => (Some.ProcessOf(1UL << 22, (uint)pid), 1000UL * (ulong)pid))]);

        var series = table.Snapshot();
        Assert.Equal(1000UL * 5050, Some.Sum(series).Sent);
        var overflow = Assert.Single(series, one => one.Attributes.PeerName == "_overflow");
        Assert.Equal("", overflow.Attributes.ProcessPid);
        Assert.True(overflow.Totals.BytesSent > 0);
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

    private static void Collect(TrafficTable table, params (ulong Process, ulong Sent)[] edges)
    {
        table.Begin();
        foreach (var (process, sent) in edges)
        {
            table.OnEdge(Some.Edge(executable: process), Some.Bytes(sent));
        }

        table.Complete();
    }

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
