using Sockwatch.Bpf;
using Sockwatch.Configuration;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Commands;

/// <summary>The requirements of <c>sockwatch doctor</c>, each with what its absence costs and how to meet it.</summary>
/// <param name="capturesPayload">Whether the configuration has <c>payload</c> on.</param>
/// <param name="btf">The file that kernel.btf names; empty for none.</param>
internal sealed class DoctorChecks(
    HostFacts host, HostPaths paths, string btf, bool capturesPayload, string agentDirectory, Func<string?> libbpfVersion, IHookProbe probe)
{
    private static readonly string[] RequiredOperations = ["connect", "accept", "send", "recv", "release"];

    /// <summary>Asks connection tracking something; returns errno. Null where the configuration does not want to.</summary>
    public Func<int>? AskConntrack { get; init; }

    /// <summary>Null when the library is not installed.</summary>
    public static string? LibbpfVersion()
    {
        try
        {
            return BpfHost.LibBpfVersion;
        }
        catch (BpfException)
        {
            return null;
        }
    }

    public DoctorReport Run()
    {
        var memory = MemoryLimit.Read(paths);
        var (plan, noPlan) = Try(probe.Plan);
        var (needs, noNeeds) = Try(probe.Probe);
        List<DoctorCheck> checks =
        [
            CheckKernel(),
            CheckTypeInformation(),
            CheckLockdown(),
            CheckUser(),
            .. CheckCapabilities(),
            CheckUnprivilegedBpf(),
            CheckCgroups(),
            CheckBpfFileSystem(),
            noPlan is null ? CheckMemory(plan!, memory) : new DoctorCheck("memory", DoctorState.Warning, $"not to be told: {noPlan}"),
            CheckLibbpf(),
            CheckObjects(),
            .. CheckConntrack(),
        ];
        if (noNeeds is not null)
        {
            checks.Add(new DoctorCheck("hooks", DoctorState.Failed, $"cannot be tried: {noNeeds}", "meet the requirements above first"));
        }

        return new DoctorReport(host, checks, needs is null ? [] : [.. needs, .. Forgotten(needs)], plan, memory);
    }

    // A doctor that falls ill tells of its illness too.
    private static (T? Result, string? Failure) Try<T>(Func<T> ask)
        where T : class
    {
        try
        {
            return (ask(), null);
        }
        catch (Exception failure) when (failure is not ConfigurationException)
        {
            return (null, PrintableText.Of(failure));
        }
    }

    private static IEnumerable<HookNeed> Forgotten(IReadOnlyList<HookNeed> needs) => RequiredOperations
        .Where(operation => needs.All(need => need.Operation != operation))
        .Select(operation => new HookNeed(
            operation, true, "it is not seen at all",
            [new HookCandidate("none", "in the BPF objects", new Refusal("they do not belong to this version", "install the whole package, or run make build"))]));

    private DoctorCheck CheckKernel() => host.KernelVersion is null
        ? new DoctorCheck("kernel", DoctorState.Warning, $"unknown release \"{host.Release}\"; the hooks below decide", "mount /proc")
        : new DoctorCheck("kernel", DoctorState.Ok, $"Linux {host.Release}, {host.Architecture}");

    private DoctorCheck CheckTypeInformation() => (host.HasKernelTypes, btf.Length > 0) switch
    {
        (true, false) => new DoctorCheck("BTF", DoctorState.Ok, "the kernel's own"),
        (true, true) => new DoctorCheck(
            "BTF", DoctorState.Warning, $"from {btf}, though the kernel has its own, which is sure to fit", "leave out --btf and kernel.btf"),
        (false, true) => new DoctorCheck(
            "BTF", DoctorState.Warning, $"from {btf}; programs on tracepoints and functions need the kernel's own, so only kprobes and cgroup hooks can work",
            Refusal.NoKernelTypes.Fix),
        _ => new DoctorCheck(
            "BTF", DoctorState.Failed, "/sys/kernel/btf/vmlinux is missing: programs cannot be fitted to this kernel",
            "use a kernel built with CONFIG_DEBUG_INFO_BTF=y, or give the BTF of this very kernel with --btf FILE; and mount /sys"),
    };

    // What confidentiality costs depends on the programs, so the hooks below tell.
    private DoctorCheck CheckLockdown() => host.Lockdown switch
    {
        Lockdown.Confidentiality => new DoctorCheck(
            "lockdown", DoctorState.Warning, "confidentiality: programs may not call bpf_probe_read_kernel, and there are no kprobes",
            "boot with lockdown=integrity, or without lockdown"),
        Lockdown.Integrity => new DoctorCheck("lockdown", DoctorState.Ok, "integrity; nothing is lost by it"),
        Lockdown.Unknown => new DoctorCheck("lockdown", DoctorState.Ok, "unknown: securityfs is not mounted here; the hooks below decide"),
        _ => new DoctorCheck("lockdown", DoctorState.Ok, "none"),
    };

    private DoctorCheck CheckUser() => host.IsInUserNamespace
        ? new DoctorCheck(
            "user", DoctorState.Failed, "in a user namespace: its capabilities count for nothing with BPF",
            "run outside of user namespaces: not in a rootless container")
        : new DoctorCheck("user", DoctorState.Ok, host.EffectiveUser switch
        {
            0 => "root",
            < 0 => "unknown; the capabilities decide",
            var uid => $"uid {uid}; the capabilities decide",
        }, Group: "");

    private IEnumerable<DoctorCheck> CheckCapabilities() => NeededCapability.On(host, capturesPayload).Select(needed => needed.IsMissing(host)
        ? new DoctorCheck(needed.Name, needed.IsRequired ? DoctorState.Failed : DoctorState.Warning, $"missing: {needed.Without}", needed.Fix)
        : new DoctorCheck(needed.Name, DoctorState.Ok, "present", Group: "capabilities"));

    private DoctorCheck CheckUnprivilegedBpf() => HostPaths.ReadText(paths.Proc("sys/kernel/unprivileged_bpf_disabled")) is "0"
        ? new DoctorCheck("unprivileged BPF", DoctorState.Warning, "open to every user: not needed here, and a risk", "sysctl kernel.unprivileged_bpf_disabled=2")
        : new DoctorCheck("unprivileged BPF", DoctorState.Ok, "off, or unknown; not needed", Group: "");

    private DoctorCheck CheckCgroups() => probe.WhyNoCgroupHooks() is { } refusal
        ? new DoctorCheck("cgroups", DoctorState.Warning, $"{host.Cgroups.Name}: {refusal.Reason}, so cgroup hooks have no place to attach", refusal.Fix)
        : new DoctorCheck("cgroups", DoctorState.Ok, host.Cgroups.Unified is { } unified
            ? $"{host.Cgroups.Name}, cgroup2 at {unified}"
            : $"{host.Cgroups.Name}; the agent mounts cgroup2 for itself");

    private DoctorCheck CheckBpfFileSystem() => host.BpfFileSystem is { } point
        ? new DoctorCheck("bpffs", DoctorState.Ok, point)
        : new DoctorCheck("bpffs", DoctorState.Ok, "not mounted; not needed");

    private DoctorCheck CheckMemory(MapPlan plan, MemoryLimit? memory)
    {
        var amounts = $"maps take {ReadableText.Bytes(plan.AtOnce)} at once and {ReadableText.Bytes(plan.WhenFull)} when all are full, "
            + $"and {ReadableText.Bytes(plan.BytesPerSocket)} a socket";
        var largest = plan.Largest is { } map ? $", above all what bounds {map.Name}" : "";
        if (host is { ChargesLockedMemory: true, LockedMemoryLimit: { } locked } && locked < plan.WhenFull
            && !host.Capabilities.Has(Capability.SysResource))
        {
            return new DoctorCheck(
                "memory", DoctorState.Failed, $"{amounts}; before Linux 5.11 all of it counts as locked memory, which is limited to {ReadableText.Bytes(locked)}",
                "grant CAP_SYS_RESOURCE, or raise the limit (ulimit -l unlimited, LimitMEMLOCK=infinity)");
        }

        if (memory is null)
        {
            return new DoctorCheck("memory", DoctorState.Ok, $"{amounts}; no limit is known");
        }

        var limit = $"{amounts}; the limit is {ReadableText.Bytes(memory.Bytes)} ({memory.Source})";
        var fix = $"raise it to {ReadableText.Bytes(plan.WhenFull)} and what the agent itself needs, or lower the limits of kernel.{largest}";
        return plan.AtOnce > memory.Bytes ? new DoctorCheck("memory", DoctorState.Failed, limit, fix)
            : plan.WhenFull > memory.Bytes ? new DoctorCheck("memory", DoctorState.Warning, $"{limit}: before the maps are full, the agent is killed", fix)
            : new DoctorCheck("memory", DoctorState.Ok, limit);
    }

    private IEnumerable<DoctorCheck> CheckConntrack() => AskConntrack?.Invoke() switch
    {
        null => [],
        0 => [new DoctorCheck("conntrack", DoctorState.Ok, "answers, so flow records can say who is behind a service")],
        { } error => [new DoctorCheck(
            "conntrack", DoctorState.Warning, $"{ConntrackTrouble.Reason(error)}: who is behind a service is not told", ConntrackTrouble.Fix(error))],
    };

    private DoctorCheck CheckLibbpf() => libbpfVersion() is { } version
        ? new DoctorCheck("libbpf", DoctorState.Ok, version)
        : new DoctorCheck("libbpf", DoctorState.Failed, "libbpf.so.1 is not installed", "install libbpf 1.1 or newer (Debian, Ubuntu: libbpf1; Fedora: libbpf)");

    private DoctorCheck CheckObjects()
    {
        var path = Path.Combine(agentDirectory, "sockwatch.bpf.o");
        return File.Exists(path)
            ? new DoctorCheck("programs", DoctorState.Ok, path)
            : new DoctorCheck("programs", DoctorState.Failed, $"{path} is missing; it belongs beside the executable", "install the whole package, or run make build");
    }
}
