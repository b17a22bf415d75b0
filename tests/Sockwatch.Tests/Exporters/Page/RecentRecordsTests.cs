using Sockwatch.Diagnostics;
using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Exporters.Page;

public sealed class RecentRecordsTests
{
    [Fact]
    public void Keeps_the_newest_and_counts_what_it_put_aside()
    {
        var caches = new CacheLedger();
        var recent = Some.RecentRecords(limit: 3, caches);

        for (ulong port = 1; port <= 5; port++)
        {
            recent.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowFailed, startedAtNs: port));
        }

        Assert.Equal([5UL, 4, 3], recent.Events().Select(one => one.Record.StartedAtNs));
        Assert.Equal([4L, 3, 2], recent.Events().Select(one => one.Number));
        Assert.Equal(5, recent.EventCount);
        Assert.Equal([new CacheEvictions("recent_events", 2), new CacheEvictions("recent_flows", 0)], caches.Read());
    }

    [Fact]
    public void A_flood_of_flows_pushes_no_failure_out()
    {
        var caches = new CacheLedger();
        var recent = Some.RecentRecords(limit: 2, caches);
        recent.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowFailed));

        for (var i = 0; i < 100; i++)
        {
            recent.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowStart));
            recent.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowEnd));
        }

        Assert.Single(recent.Events());
        Assert.Equal(2, recent.Flows().Count);
        Assert.Contains(new CacheEvictions("recent_flows", 198), caches.Read());
    }

    [Fact]
    public void Keeps_nothing_when_told_so_and_nothing_that_is_not_of_the_flow_log()
    {
        var none = Some.RecentRecords(limit: 0);
        var some = Some.RecentRecords();

        none.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowFailed));
        some.OnRecord(FlowLogSamples.Udp(RecordKind.PeerChanged));

        Assert.Empty(none.Events());
        Assert.Empty(some.Events());
        Assert.Empty(some.Flows());
    }
}
