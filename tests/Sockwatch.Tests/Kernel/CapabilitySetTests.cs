using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Kernel;

public class CapabilitySetTests
{
    [Fact]
    public void Has_the_names_that_the_kernel_has()
    {
        Assert.Equal("CAP_DAC_OVERRIDE, CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_PERFMON, CAP_BPF, CAP_41",
            CapabilitySet.Parse("000002c000001402").ToString());
        Assert.Equal("none", CapabilitySet.Parse(null).ToString());
        Assert.All(Enum.GetValues<Capability>(), capability =>
            Assert.Equal("CAP" + capability.ToString().ToUpperInvariant(), CapabilitySet.NameOf(capability).Replace("_", "", StringComparison.Ordinal)));
    }

    [Fact]
    public void The_old_administrator_capability_allows_what_bpf_asks_for()
    {
        var administrator = CapabilitySet.Of([Capability.SysAdmin]);

        Assert.True(administrator.Allows(Capability.Bpf) && administrator.Allows(Capability.Perfmon) && administrator.Allows(Capability.NetAdmin));
        Assert.False(administrator.Allows(Capability.SysPtrace));
        Assert.False(administrator.Has(Capability.Bpf));
    }
}
