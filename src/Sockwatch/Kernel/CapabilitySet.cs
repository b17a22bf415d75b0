using System.Globalization;
using System.Numerics;

namespace Sockwatch.Kernel;

/// <summary>The capabilities that matter here, by their bit in linux/capability.h.</summary>
internal enum Capability
{
    DacOverride = 1,
    DacReadSearch = 2,
    NetBindService = 10,
    NetAdmin = 12,
    SysPtrace = 19,
    SysAdmin = 21,
    SysNice = 23,
    SysResource = 24,
    Syslog = 34,
    Perfmon = 38,
    Bpf = 39,
}

/// <summary>What a process may do: as in the lines Cap… of /proc/PID/status.</summary>
internal readonly record struct CapabilitySet(ulong Bits)
{
    // linux/capability.h, in order.
    private static readonly string[] Names =
    [
        "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
        "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
        "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
        "PERFMON", "BPF", "CHECKPOINT_RESTORE",
    ];

    // The old capability includes the newer ones that were split from it, and the kernel takes it for that of the network in bpf(2).
    private static readonly Capability[] OfAdministrator = [Capability.Bpf, Capability.Perfmon, Capability.NetAdmin];

    public static readonly CapabilitySet All = new(ulong.MaxValue);

    public int Count => BitOperations.PopCount(Bits);

    public bool Has(Capability capability) => ((Bits >> (int)capability) & 1) != 0;

    /// <summary>Whether bpf(2) lets us do what the capability is for.</summary>
    public bool Allows(Capability capability) =>
        Has(capability) || (Has(Capability.SysAdmin) && OfAdministrator.Contains(capability));

    /// <summary>As capabilities(7) and container specifications spell it.</summary>
    public static string NameOf(Capability capability) => NameOf((int)capability);

    public static CapabilitySet Of(IEnumerable<Capability> capabilities) =>
        new(capabilities.Aggregate(0UL, (bits, capability) => bits | (1UL << (int)capability)));

    /// <param name="text">The value of CapEff: sixteen hexadecimal digits.</param>
    public static CapabilitySet Parse(string? text) =>
        new(ulong.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var bits) ? bits : 0);

    public override string ToString()
    {
        var bits = Bits;
        return Count == 0 ? "none" : string.Join(", ", Enumerable.Range(0, 64).Where(bit => ((bits >> bit) & 1) != 0).Select(NameOf));
    }

    // A newer kernel's have numbers only.
    private static string NameOf(int bit) => string.Create(CultureInfo.InvariantCulture, $"CAP_{(bit < Names.Length ? Names[bit] : bit)}");
}
