using System.Globalization;
using System.Runtime.InteropServices;
using Sockwatch.Diagnostics;

namespace Sockwatch.Kernel;

/// <summary>What the kernel forbids even to root, from /sys/kernel/security/lockdown.</summary>
internal enum Lockdown
{
    /// <summary>Off, or the kernel has none.</summary>
    None,

    /// <summary>securityfs is not mounted here, as in most containers: it is not to be known.</summary>
    Unknown,

    /// <summary>Nobody changes the running kernel. Nothing that the agent does is affected.</summary>
    Integrity,

    /// <summary>And nobody reads its memory: no helper that reads any kernel address, no kprobe, no perf event.</summary>
    Confidentiality,
}

/// <summary>
/// What this machine and our place on it allow, as /proc and /sys tell; read once. A file that is not there is a fact as
/// well, so reading never fails.
/// </summary>
internal sealed record HostFacts
{
    // Before it, maps count as locked memory of the user.
    private static readonly Version KernelThatChargesCgroups = new(5, 11);

    public string Release { get; init; } = "";

    /// <summary>Major and minor; null when the release does not start with them.</summary>
    public Version? KernelVersion { get; init; }

    public string Architecture { get; init; } = "";

    /// <summary>-1 when unknown.</summary>
    public int EffectiveUser { get; init; } = -1;

    public CapabilitySet Capabilities { get; init; } = CapabilitySet.All;

    /// <summary>Capabilities are then those of the namespace, which count for nothing in bpf(2).</summary>
    public bool IsInUserNamespace { get; init; }

    /// <summary>A filter of system calls is on; container runtimes' own refuse bpf(2).</summary>
    public bool HasSeccompFilter { get; init; }

    public Lockdown Lockdown { get; init; }

    /// <summary>The kernel describes its own types in /sys/kernel/btf/vmlinux.</summary>
    public bool HasKernelTypes { get; init; } = true;

    /// <summary>A task may be taken off its processor anywhere in the kernel.</summary>
    public bool IsFullyPreemptible { get; init; }

    /// <summary>/proc/sys/kernel/perf_event_paranoid; null when unknown.</summary>
    public int? PerfEventParanoid { get; init; }

    public CgroupLayout Cgroups { get; init; } = CgroupLayout.None;

    /// <summary>Where bpffs is mounted; null when nowhere.</summary>
    public string? BpfFileSystem { get; init; }

    /// <summary>Soft limit of locked memory in bytes; null when there is none.</summary>
    public long? LockedMemoryLimit { get; init; }

    /// <summary>Whether maps count as locked memory, and so have to fit into its limit.</summary>
    public bool ChargesLockedMemory => KernelVersion is not null && KernelVersion < KernelThatChargesCgroups;

    /// <summary>For the log: one line of where we are.</summary>
    public override string ToString()
    {
        var cgroup2 = Cgroups.Unified is null ? "cgroup2 not mounted" : $"cgroup2 at {PrintableText.Word(Cgroups.Unified)}";
        return $"Linux {Release}, {Architecture}; {(HasKernelTypes ? "" : "no ")}BTF; lockdown {NameOf(Lockdown)}; cgroups {Cgroups.Name}, {cgroup2}";
    }

    public static string NameOf(Lockdown lockdown) => lockdown switch
    {
        Lockdown.None => "none",
        Lockdown.Integrity => "integrity",
        Lockdown.Confidentiality => "confidentiality",
        _ => "unknown",
    };

    public static HostFacts Read(HostPaths paths)
    {
        var status = ReadPairs(paths.Proc("self/status"), ':');
        var release = HostPaths.ReadText(paths.Proc("sys/kernel/osrelease")) ?? "";
        var mounts = HostPaths.ReadText(paths.Proc("self/mountinfo")) ?? "";
        return new HostFacts
        {
            Release = PrintableText.Of(release, 100),
            KernelVersion = VersionOf(release),
            Architecture = MachineName(RuntimeInformation.OSArchitecture),
            EffectiveUser = EffectiveUserOf(status.GetValueOrDefault("Uid")),
            Capabilities = CapabilitySet.Parse(status.GetValueOrDefault("CapEff")),
            IsInUserNamespace = !CoversAllUsers(HostPaths.ReadText(paths.Proc("self/uid_map"))),
            HasSeccompFilter = status.GetValueOrDefault("Seccomp") == "2",
            Lockdown = ReadLockdown(paths),
            HasKernelTypes = File.Exists(paths.Sys("kernel/btf/vmlinux")),
            IsFullyPreemptible = Preemption.IsFull(
                HostPaths.ReadText(paths.Proc("sys/kernel/version")) ?? "", HostPaths.ReadText(paths.Sys("kernel/debug/sched/preempt")),
                HostPaths.ReadText(paths.Proc("cmdline")) ?? "", KernelConfiguration.Read(paths, release)),
            PerfEventParanoid = int.TryParse(
                HostPaths.ReadText(paths.Proc("sys/kernel/perf_event_paranoid")), CultureInfo.InvariantCulture, out var paranoid) ? paranoid : null,
            Cgroups = CgroupLayout.Read(mounts, CgroupLayout.IsPart),
            BpfFileSystem = MountTable.Parse(mounts).FirstOrDefault(mount => mount.Type == "bpf")?.Point,
            LockedMemoryLimit = LockedMemoryLimitOf(HostPaths.ReadText(paths.Proc("self/limits"))),
        };
    }

    private static Version? VersionOf(string release)
    {
        var numbers = new string([.. release.TakeWhile(character => char.IsAsciiDigit(character) || character == '.')]).Trim('.');
        return Version.TryParse(numbers, out var version) ? new Version(version.Major, version.Minor) : null;
    }

    private static string MachineName(Architecture architecture) => architecture switch
    {
        System.Runtime.InteropServices.Architecture.X64 => "x86_64",
        System.Runtime.InteropServices.Architecture.Arm64 => "aarch64",
        _ => architecture.ToString(),
    };

    // "Uid: real effective saved filesystem"
    private static int EffectiveUserOf(string? uids) => int.TryParse(
        uids?.Split(['\t', ' '], StringSplitOptions.RemoveEmptyEntries).ElementAtOrDefault(1), CultureInfo.InvariantCulture, out var uid) ? uid : -1;

    // The first namespace maps all users to themselves; others map what their maker was given.
    private static bool CoversAllUsers(string? map) =>
        map is null || map.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries) is ["0", "0", "4294967295"];

    private static Lockdown ReadLockdown(HostPaths paths)
    {
        if (HostPaths.ReadText(paths.Sys("kernel/security/lockdown")) is not { } modes)
        {
            return Directory.Exists(paths.Sys("kernel/security")) && !Directory.EnumerateFileSystemEntries(paths.Sys("kernel/security")).Any()
                ? Lockdown.Unknown
                : Lockdown.None;
        }

        return modes.Contains("[confidentiality]", StringComparison.Ordinal) ? Lockdown.Confidentiality
            : modes.Contains("[integrity]", StringComparison.Ordinal) ? Lockdown.Integrity
            : Lockdown.None;
    }

    // "Max locked memory         8388608              8388608              bytes"
    private static long? LockedMemoryLimitOf(string? limits)
    {
        const string Name = "Max locked memory";
        var line = limits?.Split('\n').FirstOrDefault(line => line.StartsWith(Name, StringComparison.Ordinal));
        var soft = line?[Name.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault();
        return long.TryParse(soft, CultureInfo.InvariantCulture, out var bytes) ? bytes : null;
    }

    private static Dictionary<string, string> ReadPairs(string path, char separator)
    {
        var pairs = new Dictionary<string, string>();
        foreach (var line in HostPaths.ReadText(path)?.Split('\n') ?? [])
        {
            var at = line.IndexOf(separator);
            if (at > 0)
            {
                pairs[line[..at]] = line[(at + 1)..].Trim();
            }
        }

        return pairs;
    }
}
