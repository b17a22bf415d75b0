using Sockwatch.Configuration;

namespace Sockwatch.Kernel;

/// <summary>Traffic to leave out, decided in the kernel: it is neither counted nor logged.</summary>
internal sealed class FilterOptions
{
    /// <summary>Leaves out traffic that stays on this machine.</summary>
    public bool IgnoreLoopback { get; set; }

    /// <summary>Leaves out IPv6.</summary>
    public bool IgnoreIpv6 { get; set; }

    /// <summary>Leaves out traffic whose serving side has one of these ports.</summary>
    public IList<int> ExcludePorts { get; set; } = [];

    /// <summary>Leaves out traffic with peers in these networks, in CIDR notation.</summary>
    public IList<string> ExcludeNetworks { get; set; } = [];

    /// <summary>Of the two that can be changed while the programs run.</summary>
    public static RunTimeOption RunTime(
        string key, IKernelSwitches kernel, Func<IKernelSwitches, bool> read, Action<IKernelSwitches, bool> write) =>
        new(key, () => read(kernel) ? "true" : "false", value => write(kernel, value == "true"));
}
