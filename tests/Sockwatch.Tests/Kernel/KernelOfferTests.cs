using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Kernel;

public class KernelOfferTests
{
    [Theory]
    [InlineData(nameof(Lockdown.Confidentiality), false)]
    [InlineData(nameof(Lockdown.Integrity), true)]
    [InlineData(nameof(Lockdown.Unknown), true)]
    public void Confidentiality_leaves_no_kprobe(string lockdown, bool offersKprobes)
    {
        // Without /proc nobody says which functions there are, so every one may be.
        using var offer = new KernelOffer(
            new HostFacts { HasKernelTypes = false, Lockdown = Enum.Parse<Lockdown>(lockdown) },
            new HostPaths { ProcRoot = "/nonexistent", SysRoot = "/nonexistent" });
        var kprobes = HookGroup.All.SelectMany(group => group.Ways).SelectMany(way => way.Programs).Where(hook => hook.Backend == HookBackend.Kprobe);

        Assert.All(kprobes, hook => Assert.Equal(!offersKprobes, offer.WhyNot(hook)?.Reason == "kernel lockdown (confidentiality) forbids kprobes"));
    }
}
