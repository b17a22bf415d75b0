using System.Runtime.InteropServices;

namespace Sockwatch.Bpf;

/// <summary>The kernel's measuring of BPF programs, off by default.</summary>
public static class BpfStats
{
    /// <summary>
    /// Has the kernel time every program until the result is disposed (kernel 5.8 and later). Costs each run of each
    /// program two clock readings.
    /// </summary>
    public static SafeHandle Enable() => new FileDescriptor(
        BpfException.ThrowIfNegative(LibBpf.bpf_enable_stats(LibBpf.BPF_STATS_RUN_TIME), nameof(LibBpf.bpf_enable_stats)));
}
