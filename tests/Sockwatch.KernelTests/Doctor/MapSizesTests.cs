using Sockwatch.Kernel;
using Sockwatch.KernelTests.Agents;
using Xunit;

namespace Sockwatch.KernelTests.Doctor;

public class MapSizesTests
{
    private static readonly MapSizes Plain = new(new KernelOptions(), new LimitOptions(), DnsNames: true, CapturesPayload: true, MaxAdded: 65_536);

    [Fact]
    public void States_in_a_hash_are_in_the_plan_and_nothing_is_in_the_sockets_then()
    {
        Requires.Bpf();
        var storage = Plan(Plain, StateKeeping.Storage);
        var hash = Plan(Plain, StateKeeping.Hash);

        Assert.True(storage.BytesPerSocket > 0);
        Assert.Equal(0, hash.BytesPerSocket);
        Assert.All(["socket_hash", "calls", "claims"], map => Assert.True(WhenFull(hash, map) > 1000 * WhenFull(storage, map), map));
        Assert.True(hash.WhenFull > storage.WhenFull + ((long)new KernelOptions().MaxSockets * 100));
    }

    [Fact]
    public void What_is_off_takes_no_room()
    {
        Requires.Bpf();
        var on = Plan(Plain, StateKeeping.Storage);
        var off = Plan(Plain with { DnsNames = false, CapturesPayload = false, MaxAdded = null }, StateKeeping.Storage);

        Assert.All(
            ["dns_messages", "payload_strangers", "payload_calls", "added_verdicts", "edge_detections"],
            map => Assert.True(WhenFull(off, map) < WhenFull(on, map), map));
    }

    private static MapPlan Plan(MapSizes sizes, StateKeeping keeping) =>
        sizes.Plan(new HookPlan(keeping, []), new HostFacts { KernelVersion = new Version(6, 12) });

    private static long WhenFull(MapPlan plan, string map) => plan.Maps.Single(planned => planned.Name == map).WhenFull;
}
