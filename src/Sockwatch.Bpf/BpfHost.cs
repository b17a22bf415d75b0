using System.Runtime.InteropServices;

namespace Sockwatch.Bpf;

/// <summary>What this machine offers to BPF, apart from any object.</summary>
public static unsafe class BpfHost
{
    private const string KernelBtf = "/sys/kernel/btf/vmlinux";

    /// <summary>Without the kernel's own type information nothing that reads kernel structs can be loaded.</summary>
    public static bool BtfAvailable => File.Exists(KernelBtf);

    /// <summary>Whether the kernel has kprobes, by whichever way they are made.</summary>
    public static bool HasKprobes => ReturnProbe.IsOffered;

    /// <summary>Per-CPU maps hold one value for each, online or not.</summary>
    public static int PossibleCpus =>
        BpfException.ThrowIfNegative(LibBpf.libbpf_num_possible_cpus(), nameof(LibBpf.libbpf_num_possible_cpus));

    /// <summary>Such as <c>v1.1</c>. Throws <see cref="BpfException"/> when the library is not installed.</summary>
    public static string LibBpfVersion => LibBpf.Text(LibBpf.libbpf_version_string());

    /// <summary>Needed before kernel 5.11 only, where maps count as locked memory.</summary>
    public static void SetMemlockUnlimited()
    {
        var unlimited = new LibC.rlimit64 { current = ulong.MaxValue, maximum = ulong.MaxValue };
        if (LibC.setrlimit(LibC.RLIMIT_MEMLOCK, &unlimited) != 0)
        {
            throw new BpfException("setrlimit(RLIMIT_MEMLOCK)", Marshal.GetLastPInvokeError());
        }
    }
}
