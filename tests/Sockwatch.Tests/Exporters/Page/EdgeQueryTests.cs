using Sockwatch.Exporters.Page;
using Xunit;

namespace Sockwatch.Tests.Exporters.Page;

public sealed class EdgeQueryTests
{
    [Theory]
    [InlineData("", "1 2 3 4")]
    [InlineData("nginx", "1 4")]
    [InlineData("NGINX shop", "1")]
    [InlineData("port:443", "1 3")]
    [InlineData("port:44", "")]
    [InlineData("role:server", "4")]
    [InlineData("-role:server", "1 2 3")]
    [InlineData("is:failing", "2")]
    [InlineData("is:open", "3")]
    [InlineData("peer:db", "1 2")]
    [InlineData("exe:curl", "3")]
    [InlineData("\"two words\"", "3")]
    [InlineData("peer:\"two words\"", "3")]
    [InlineData("ns:shop", "1")]
    [InlineData("class:public", "3")]
    [InlineData("proto:udp", "2")]
    [InlineData("nonsense:x", "")]
    [InlineData("port:", "1 2 3 4")]
    [InlineData("is:", "1 2 3 4")]
    [InlineData("is:nothing-known", "")]
    [InlineData("-", "3")]
    [InlineData("\"", "1 2 3 4")]
    public void Finds_what_people_type(string text, string ids)
    {
        var view = PageSamples.View(
            PageSamples.Series(1, workload: "nginx", ns: "shop", peer: "db"),
            PageSamples.Series(2, workload: "web", peer: "db", port: "53", transport: "udp", failures: 3),
            PageSamples.Series(3, workload: "web-2", peer: "two words", peerClass: "public", open: 1, executable: "curl"),
            PageSamples.Series(4, workload: "nginx", role: "server", peer: "", port: "80"));

        var filter = EdgeFilter.Parse(text);

        Assert.Equal(ids, string.Join(' ', view.Rows.Where(row => filter.Matches(row)).Select(row => row.Series.Id)));
    }

    [Theory]
    [InlineData("?sort=sent", "3 1 2")]
    [InlineData("?sort=sent&order=asc", "2 1 3")]
    [InlineData("?sort=received", "2 1 3")]
    [InlineData("?sort=open", "1 3 2")]
    [InlineData("?sort=failures", "2 3 1")]
    [InlineData("?sort=connections", "3 2 1")]
    [InlineData("?sort=workload", "2 1 3")]
    [InlineData("?sort=workload&order=desc", "3 1 2")]
    [InlineData("?sort=peer", "3 2 1")]
    [InlineData("?sort=port", "2 1 3")]
    [InlineData("?sort=rate", "2 3 1")]
    public void Sorts_by_each_column(string address, string ids)
    {
        var view = PageSamples.View(
            PageSamples.Series(1, workload: "b", peer: "z", port: "80", sent: 20, received: 20, open: 5, connects: 1),
            PageSamples.Series(2, workload: "A", peer: "y", port: "9", sent: 10, received: 90, failures: 1, connects: 2),
            PageSamples.Series(3, workload: "c", peer: "x", port: "443", sent: 60, received: 10, open: 1, connects: 3));

        var (rows, matched) = PageSamples.Query(address).Apply(view);

        Assert.Equal(ids, string.Join(' ', rows.Select(row => row.Series.Id)));
        Assert.Equal(3, matched);
    }

    [Fact]
    public void Gives_one_page_of_ten_thousand_and_says_how_many_there_are()
    {
        var view = TrafficView.Of(
            PageSamples.Report(0, [.. Enumerable.Range(1, 10_000).Select(id => PageSamples.Series(id, workload: $"w-{id % 100}", sent: (ulong)id))]), null);

        var (rows, matched) = PageSamples.Query("?sort=sent&q=w-7&offset=500&limit=500").Apply(view);

        Assert.Equal(500, rows.Count);
        Assert.Equal(1_100, matched); // w-7 and w-70 to w-79
        Assert.True(rows[0].Bytes > rows[^1].Bytes);
    }

    [Fact]
    public void Gives_the_edges_asked_for_by_id_in_their_order_without_those_that_left()
    {
        var view = PageSamples.View(PageSamples.Series(1), PageSamples.Series(2), PageSamples.Series(3));

        var (rows, _) = PageSamples.Query("?ids=3,99,1&q=none").Apply(view);

        Assert.Equal([3L, 1], rows.Select(row => row.Series.Id));
    }

    [Theory]
    [InlineData("?sort=size", "sort is \"size\": expected rate, out, in, sent, received, open, connections, failures, workload, peer, port")]
    [InlineData("?order=up", "order is \"up\": expected asc or desc")]
    [InlineData("?limit=501", "limit is \"501\": expected a whole number from 1 to 500")]
    [InlineData("?limit=0", "limit is \"0\": expected a whole number from 1 to 500")]
    [InlineData("?offset=-1", "offset is \"-1\": expected a whole number from 0 to 2147483647")]
    [InlineData("?ids=1,x", "ids: expected at most 500 whole numbers with commas between")]
    public void Refuses_what_it_does_not_know_in_one_line(string address, string expected)
    {
        Assert.Null(EdgeQuery.Parse(PageSamples.Parse(address), out var error));
        Assert.Equal(expected, error);
    }

    [Fact]
    public void Refuses_more_than_it_bears()
    {
        Assert.Null(EdgeQuery.Parse(PageSamples.Parse("?q=" + new string('a', 1025)), out var text));
        Assert.Null(EdgeQuery.Parse(PageSamples.Parse("?ids=" + string.Join(',', Enumerable.Range(1, 501))), out var ids));
        Assert.Equal("q is longer than 1024 characters", text);
        Assert.StartsWith("ids: expected at most 500", ids, StringComparison.Ordinal);
    }
}
