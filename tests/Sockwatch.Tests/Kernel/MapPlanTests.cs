using Sockwatch.Bpf;
using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Kernel;

public class MapPlanTests
{
    [Fact]
    public void A_hash_takes_its_buckets_at_once_and_its_entries_as_they_come()
    {
        var plan = Plan(new BpfMapInfo("edges", BpfMapType.Hash, 40, 104, 1000, IsPreallocated: false));

        Assert.Equal(1024 * 16, plan.AtOnce);
        Assert.Equal((1024 * 16) + (1000 * 256), plan.WhenFull);
    }

    [Fact]
    public void What_is_preallocated_is_taken_at_once()
    {
        var plan = Plan(new BpfMapInfo("h", BpfMapType.Hash, 8, 8, 1000), new BpfMapInfo("a", BpfMapType.Array, 4, 12, 100));

        Assert.Equal((1024 * 16) + (1000 * 64) + (100 * 16), plan.AtOnce);
        Assert.Equal(plan.AtOnce, plan.WhenFull);
    }

    [Fact]
    public void A_per_cpu_array_takes_its_values_for_every_processor()
    {
        Assert.Equal(8 * (1288 + 8), Plan(cpus: 1, new BpfMapInfo("p", BpfMapType.PerCpuArray, 4, 1288, 8)).WhenFull);
        Assert.Equal(8 * ((1288 * 64) + 8), Plan(cpus: 64, new BpfMapInfo("p", BpfMapType.PerCpuArray, 4, 1288, 8)).WhenFull);
    }

    [Fact]
    public void Rings_tries_and_socket_states_have_their_own_rules()
    {
        var plan = Plan(
            new BpfMapInfo("ring", BpfMapType.RingBuffer, 0, 0, 65_536),
            new BpfMapInfo("trie", BpfMapType.LpmTrie, 20, 1, 100, IsPreallocated: false),
            new BpfMapInfo("states", BpfMapType.SkStorage, 4, 352, 0, IsPreallocated: false));

        Assert.Equal(65_536 + (3 * 4096), plan.AtOnce);
        Assert.Equal(plan.AtOnce + (100 * 2 * 64), plan.WhenFull);
        Assert.Equal(512, plan.BytesPerSocket);
        Assert.Equal("ring", plan.Largest!.Name);
    }

    private static MapPlan Plan(params BpfMapInfo[] maps) => MapPlan.Of(maps, cpus: 2);

    private static MapPlan Plan(int cpus, params BpfMapInfo[] maps) => MapPlan.Of(maps, cpus);
}
