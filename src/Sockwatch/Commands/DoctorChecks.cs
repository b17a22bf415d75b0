using System.Globalization;
using System.Runtime.InteropServices;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Commands;

/// <summary>The requirements of <c>sockwatch doctor</c>, each with what its absence costs and how to meet it.</summary>
internal sealed class DoctorChecks(HostPaths paths, string agentDirectory, Func<bool> libbpfLoads, Func<IReadOnlyList<HookProbeResult>> probe)
{
    private const string Libbpf = "libbpf.so.1";

    // Bits of CapEff, from linux/capability.h.
    private const int CapNetAdmin = 12;
    private const int CapSysAdmin = 21;
    private const int CapSysResource = 24;
    private const int CapPerfmon = 38;
    private const int CapBpf = 39;

    private static readonly string[] RequiredOperations = ["connect", "accept", "send", "recv", "release"];

    // A distribution may have carried a hook back, so a version only warns; the trial of each hook decides.
    private static readonly Version OldestKernel = HookProgram.All.Where(hook => hook.IsRequired).Max(hook => Version.Parse(hook.Since))!;

    // From here on, memory for BPF is charged to the cgroup instead of RLIMIT_MEMLOCK.
    private static readonly Version KernelWithoutMemlock = new(5, 11);

    public static bool LibbpfLoads()
    {
        if (!NativeLibrary.TryLoad(Libbpf, out var library))
        {
            return false;
        }

        NativeLibrary.Free(library);
        return true;
    }

    public DoctorReport Run()
    {
        var kernel = KernelVersion();
        var status = ReadStatus();
        List<DoctorCheck> checks =
        [
            CheckUser(status),
            .. CheckCapabilities(status, kernel),
            CheckKernel(kernel),
            CheckTypeInformation(),
            CheckLockdown(),
            CheckUnprivilegedBpf(),
            CheckCgroups(),
            CheckLibbpf(),
            CheckObjects(),
        ];
        var (hooks, probes) = CheckHooks();
        return new DoctorReport(checks, hooks, probes);
    }

    private static DoctorCheck CheckUser(Dictionary<string, string> status)
    {
        var effective = status.GetValueOrDefault("Uid")?.Split('\t', ' ', StringSplitOptions.RemoveEmptyEntries).ElementAtOrDefault(1);
        return effective switch
        {
            null => new DoctorCheck("user", DoctorState.Warning, "unknown: /proc/self/status cannot be read", "mount /proc"),
            "0" => new DoctorCheck("user", DoctorState.Ok, "root"),
            _ => new DoctorCheck("user", DoctorState.Ok, $"uid {effective}; the capabilities decide"),
        };
    }

    private static IEnumerable<DoctorCheck> CheckCapabilities(Dictionary<string, string> status, Version? kernel)
    {
        if (!ulong.TryParse(status.GetValueOrDefault("CapEff"), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var effective))
        {
            effective = 0;
        }

        // The old capability includes the newer ones that were split from it.
        var hasAdmin = Has(CapSysAdmin);
        yield return Capability("CAP_BPF", Has(CapBpf) || hasAdmin, DoctorState.Failed, "no BPF program can be loaded");
        yield return Capability("CAP_PERFMON", Has(CapPerfmon) || hasAdmin, DoctorState.Failed, "no tracing program can be loaded");
        yield return Capability("CAP_NET_ADMIN", Has(CapNetAdmin) || hasAdmin, DoctorState.Failed, "no cgroup hook can be attached: the end of UDP sockets and their peers are not seen");
        if (kernel is null || kernel < KernelWithoutMemlock)
        {
            yield return Capability("CAP_SYS_RESOURCE", Has(CapSysResource), DoctorState.Failed, "maps do not fit into the limit of locked memory of a kernel before 5.11");
        }
        else
        {
            yield return new DoctorCheck("CAP_SYS_RESOURCE", DoctorState.Ok, Has(CapSysResource) ? "present" : "missing, and not needed from kernel 5.11 on");
        }

        bool Has(int bit) => ((effective >> bit) & 1) != 0;

        static DoctorCheck Capability(string name, bool present, DoctorState otherwise, string cost) => present
            ? new DoctorCheck(name, DoctorState.Ok, "present")
            : new DoctorCheck(name, otherwise, $"missing: {cost}", $"run as root, or grant {name} (setcap, AmbientCapabilities=, securityContext.capabilities)");
    }

    private DoctorCheck CheckKernel(Version? kernel)
    {
        var release = ReadText(paths.Proc("sys/kernel/osrelease"));
        if (kernel is null)
        {
            return new DoctorCheck("kernel", DoctorState.Warning, $"unknown release \"{release}\"", $"use Linux {OldestKernel} or newer");
        }

        return kernel >= OldestKernel
            ? new DoctorCheck("kernel", DoctorState.Ok, release!)
            : new DoctorCheck("kernel", DoctorState.Warning, $"{release} is older than {OldestKernel}; the hooks below decide", $"use Linux {OldestKernel} or newer");
    }

    private DoctorCheck CheckTypeInformation() => File.Exists(paths.Sys("kernel/btf/vmlinux"))
        ? new DoctorCheck("BTF", DoctorState.Ok, "the kernel describes its types")
        : new DoctorCheck("BTF", DoctorState.Failed, "/sys/kernel/btf/vmlinux is missing: programs cannot be fitted to this kernel", "use a kernel built with CONFIG_DEBUG_INFO_BTF=y, and mount /sys");

    private DoctorCheck CheckLockdown()
    {
        var lockdown = ReadText(paths.Sys("kernel/security/lockdown"));
        var start = lockdown?.IndexOf('[') ?? -1;
        var end = lockdown?.IndexOf(']') ?? -1;
        var mode = start >= 0 && end > start ? lockdown![(start + 1)..end] : "none";
        return mode == "confidentiality"
            ? new DoctorCheck("lockdown", DoctorState.Failed, "confidentiality: BPF programs may not read kernel memory", "boot with lockdown=integrity, or without lockdown")
            : new DoctorCheck("lockdown", DoctorState.Ok, mode);
    }

    private DoctorCheck CheckUnprivilegedBpf() => ReadText(paths.Proc("sys/kernel/unprivileged_bpf_disabled")) switch
    {
        "0" => new DoctorCheck("unprivileged BPF", DoctorState.Warning, "open to every user: not needed here, and a risk", "sysctl kernel.unprivileged_bpf_disabled=2"),
        null => new DoctorCheck("unprivileged BPF", DoctorState.Ok, "unknown; not needed"),
        _ => new DoctorCheck("unprivileged BPF", DoctorState.Ok, "off; not needed"),
    };

    private DoctorCheck CheckCgroups()
    {
        const string UnifiedCost = "cgroup hooks have no place to attach: the end of UDP sockets and their peers are not seen";
        string? unified = null;
        var legacy = false;
        foreach (var line in ReadText(paths.Proc("self/mountinfo"))?.Split('\n') ?? [])
        {
            var separator = line.IndexOf(" - ", StringComparison.Ordinal);
            var fields = line.Split(' ');
            if (separator < 0 || fields.Length < 5)
            {
                continue;
            }

            var type = line[(separator + 3)..].Split(' ')[0];
            legacy |= type == "cgroup";
            unified = type == "cgroup2" ? unified ?? fields[4] : unified;
        }

        return (unified, legacy) switch
        {
            (not null, false) => new DoctorCheck("cgroups", DoctorState.Ok, $"v2 at {unified}"),
            (not null, true) => new DoctorCheck("cgroups", DoctorState.Ok, $"hybrid, v2 at {unified}"),
            (null, true) => new DoctorCheck("cgroups", DoctorState.Failed, $"v1 only: {UnifiedCost}", "mount -t cgroup2 none /sys/fs/cgroup/unified"),
            _ => new DoctorCheck("cgroups", DoctorState.Failed, $"none mounted: {UnifiedCost}", "mount -t cgroup2 none /sys/fs/cgroup"),
        };
    }

    private DoctorCheck CheckLibbpf() => libbpfLoads()
        ? new DoctorCheck("libbpf", DoctorState.Ok, Libbpf)
        : new DoctorCheck("libbpf", DoctorState.Failed, $"{Libbpf} is not installed", "install libbpf 1.1 or newer (Debian, Ubuntu: libbpf1; Fedora: libbpf)");

    private DoctorCheck CheckObjects()
    {
        var objects = Directory.Exists(agentDirectory)
            ? Directory.GetFiles(agentDirectory, "*.bpf.o", new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 1 })
            : [];
        return objects.Length > 0
            ? new DoctorCheck("BPF objects", DoctorState.Ok, $"{string.Join(", ", objects.Select(Path.GetFileName).Order(StringComparer.Ordinal))}")
            : new DoctorCheck("BPF objects", DoctorState.Failed, $"no *.bpf.o beside the executable in {agentDirectory}", "install the whole package, or run make build");
    }

    private (IReadOnlyList<DoctorCheck> Checks, IReadOnlyList<HookProbeResult> Probes) CheckHooks()
    {
        IReadOnlyList<HookProbeResult> probes;
        try
        {
            probes = probe();
        }
        catch (Exception failure) // A doctor that falls ill tells of its illness too.
        {
            return ([new DoctorCheck("hooks", DoctorState.Failed, $"cannot be tried: {PrintableText.Of(failure)}", "meet the requirements above first")], []);
        }

        List<DoctorCheck> checks =
        [
            .. probes.Select(CheckHook),
            .. RequiredOperations
                .Where(operation => probes.All(result => result.Operation != operation))
                .Select(operation => new DoctorCheck(operation, DoctorState.Failed, "no hook for it in the BPF objects", "install the whole package, or run make build")),
        ];
        return (checks, probes);
    }

    private static DoctorCheck CheckHook(HookProbeResult result)
    {
        if (result.Works)
        {
            return new DoctorCheck(result.Operation, DoctorState.Ok, result.Backend);
        }

        var state = result.IsRequired ? DoctorState.Failed : DoctorState.Warning;
        return new DoctorCheck(result.Operation, state, $"{result.Backend}: {result.Reason ?? "does not load"}", result.Fix ?? "use a newer kernel");
    }

    private Version? KernelVersion()
    {
        var release = ReadText(paths.Proc("sys/kernel/osrelease")) ?? "";
        var numbers = new string([.. release.TakeWhile(character => char.IsAsciiDigit(character) || character == '.')]).Trim('.');
        return Version.TryParse(numbers, out var version) ? new Version(version.Major, version.Minor) : null;
    }

    private Dictionary<string, string> ReadStatus()
    {
        var status = new Dictionary<string, string>();
        foreach (var line in ReadText(paths.Proc("self/status"))?.Split('\n') ?? [])
        {
            var colon = line.IndexOf(':');
            if (colon > 0)
            {
                status[line[..colon]] = line[(colon + 1)..].Trim();
            }
        }

        return status;
    }

    private static string? ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path).Trim();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
