using Sockwatch.Kernel;

namespace Sockwatch.Tests.Kernel;

public class PreemptionTests
{
    [Theory]
    [InlineData("#1 SMP Debian 5.10.223-1", null, "", "", false)]
    [InlineData("#1 SMP PREEMPT_RT Debian 6.1.0-1", null, "", "", true)]
    [InlineData("#1 SMP PREEMPT Wed Jan 1", null, "", "", true)]
    [InlineData("#1 SMP PREEMPT_DYNAMIC Debian 6.12.12-1", "none (voluntary) full lazy", "", "", false)]
    [InlineData("#1 SMP PREEMPT_DYNAMIC Debian 6.12.12-1", "none voluntary full (lazy)", "", "", true)]
    [InlineData("#1 SMP PREEMPT_DYNAMIC Fedora", "none voluntary (full)", "", "", true)]
    [InlineData("#1 SMP PREEMPT_DYNAMIC x", null, "quiet preempt=none", "CONFIG_PREEMPT=y", false)]
    [InlineData("#1 SMP PREEMPT_DYNAMIC x", null, "preempt=voluntary preempt=full", "CONFIG_PREEMPT_VOLUNTARY=y", true)]
    [InlineData("#1 SMP PREEMPT_DYNAMIC x", null, "quiet", "CONFIG_PREEMPT_VOLUNTARY=y", false)]
    [InlineData("#1 SMP PREEMPT_DYNAMIC x", null, "quiet", "", true)]
    public void Is_full_unless_it_is_known_not_to_be(string build, string? model, string commandLine, string configuration, bool isFull)
    {
        Assert.Equal(isFull, Preemption.IsFull(build, model, commandLine, KernelConfiguration.Parse(new StringReader(configuration))));
    }

    [Theory]
    [InlineData("CONFIG_HZ_250=y\nCONFIG_HZ=250\n", 250)]
    [InlineData("CONFIG_HZ=1000", 1000)]
    [InlineData("# CONFIG_HZ is not set", TickRate.Fallback)]
    [InlineData("CONFIG_HZ=0", TickRate.Fallback)]
    public void Tick_rate_is_the_kernels(string configuration, int ticks)
    {
        Assert.Equal(ticks, TickRate.Of(KernelConfiguration.Parse(new StringReader(configuration))));
    }
}
