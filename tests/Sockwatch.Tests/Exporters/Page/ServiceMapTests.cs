using Sockwatch.Exporters.Page;
using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Exporters.Page;

public sealed class ServiceMapTests
{
    [Fact]
    public void A_connection_within_the_node_is_one_link_and_counts_once()
    {
        var map = Map(
            PageSamples.Series(1, workload: "web", peer: "db", port: "5432", sent: 10, received: 90),
            PageSamples.Series(2, workload: "db", peer: "web", role: "server", port: "5432", sent: 90, received: 10));

        var link = Assert.Single(map.Links);
        Assert.Equal(("web", "db"), (map.Nodes[link.Source].Name, map.Nodes[link.Target].Name));
        Assert.All(map.Nodes, node => Assert.True(node.IsLocal));
        Assert.Equal(100, link.Sums.Bytes);
        Assert.Equal(["5432/tcp"], link.Ports);
    }

    [Fact]
    public void Clients_on_this_machine_stand_for_themselves_and_not_for_the_machine_as_well()
    {
        var map = Map(
            PageSamples.Series(1, workload: "curl", peer: "nginx", peerClass: "loopback", port: "80"),
            PageSamples.Series(2, workload: "nginx", peer: "", peerClass: "loopback", role: "server", port: "80"),
            PageSamples.Series(3, workload: "redis", peer: "", peerClass: "loopback", role: "server", port: "6379"));

        Assert.Equal(
            ["curl → nginx", "this machine (loopback) → redis"],
            map.Links.Select(link => $"{map.Nodes[link.Source].Name} → {map.Nodes[link.Target].Name}").Order());
    }

    [Fact]
    public void Strangers_who_call_are_not_the_strangers_who_are_called()
    {
        var map = Map(
            PageSamples.Series(1, workload: "web", peer: "", peerClass: "public", role: "server"),
            PageSamples.Series(2, workload: "web", peer: "", peerClass: "public", role: "client"));

        Assert.Equal(["in", "out"], map.Nodes.Where(node => !node.IsLocal).Select(node => node.Place).Order());
        Assert.Equal(2, map.Links.Count);
    }

    [Fact]
    public void Shows_the_heaviest_and_says_how_many_there_are()
    {
        var map = Map(2, [.. Enumerable.Range(1, 9).Select(i => PageSamples.Series(i, workload: $"w{i}", peer: $"p{i}", sent: (ulong)i))]);

        Assert.Equal(["w9", "w8"], map.Links.Select(link => map.Nodes[link.Source].Name));
        Assert.Equal(4, map.Nodes.Count);
        Assert.Equal(9, map.AllLinks);
    }

    [Fact]
    public void A_link_that_only_fails_is_shown_before_one_that_carried_little()
    {
        var map = Map(1, [PageSamples.Series(1, workload: "quiet", peer: "a", sent: 900), PageSamples.Series(2, workload: "failing", peer: "b", failures: 1)]);

        Assert.Equal("failing", map.Nodes[Assert.Single(map.Links).Source].Name);
    }

    [Fact]
    public void Quantiles_lie_within_the_bucket_that_holds_them()
    {
        var latency = Some.Latency(80_000);
        latency.Buckets[LatencyBuckets.Length - 1] = 9;

        Assert.InRange(LatencyQuantile.Of(latency, LatencyBounds.Latency, 0.05), 50_000, 100_000);
        Assert.Equal(30_000_000_000, LatencyQuantile.Of(latency, LatencyBounds.Latency, 0.99));
        Assert.Equal(0, LatencyQuantile.Of(default, LatencyBounds.Latency, 0.5));
    }

    private static ServiceMap Map(params ReadOnlySpan<Sockwatch.Aggregation.TrafficSeries> series) =>
        ServiceMap.Of(PageSamples.View(series), EdgeFilter.Parse(""), ServiceMap.DefaultLinks);

    private static ServiceMap Map(int links, ReadOnlySpan<Sockwatch.Aggregation.TrafficSeries> series) =>
        ServiceMap.Of(PageSamples.View(series), EdgeFilter.Parse(""), links);
}
