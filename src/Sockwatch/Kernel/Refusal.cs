using System.Text.RegularExpressions;
using Sockwatch.Bpf;
using Sockwatch.Diagnostics;

namespace Sockwatch.Kernel;

/// <summary>Why the kernel does not take a program or a map.</summary>
/// <param name="Reason">One line, without libbpf's jargon.</param>
/// <param name="Fix">What an operator can do about it, one line; null when only a newer kernel helps.</param>
internal sealed partial record Refusal(string Reason, string? Fix = null)
{
    private const int NotPermitted = 1;
    private const int NoSuchFile = 2;
    private const int NoSuchProcess = 3;
    private const int TooBig = 7;
    private const int NoMemory = 12;
    private const int NoAccess = 13;
    private const int NotSupportedByKernel = 524;

    /// <summary>What libbpf and the verifier said, in an operator's words: an errno alone names the wrong thing more often than not.</summary>
    /// <param name="backend">What kind of program it is, where that is known: each asks for other capabilities.</param>
    public static Refusal Of(BpfException failure, HostFacts host, HookBackend? backend = null)
    {
        if (MissingTypes(failure.Log) is { } types)
        {
            return types;
        }

        // libbpf looks the hook up in the kernel's types and calls a hook that is not there a process that is not there.
        if (TargetPattern().Match(failure.Log) is { Success: true } target)
        {
            return new Refusal($"this kernel has no {Word(target.Groups["name"].Value)}");
        }

        if (HelperPattern().Match(failure.Log) is { Success: true } helper)
        {
            return OfHelper(Word(helper.Groups["name"].Value), host);
        }

        return failure.Errno switch
        {
            NotPermitted => OfPermission(host, backend),
            NoAccess when !host.Capabilities.Allows(Capability.Perfmon) => OfPermission(host, backend),
            NoMemory => new Refusal(
                "not enough memory for the maps", "lower kernel.maxEdges and the other limits of kernel., or raise the memory limit"),
            NotSupportedByKernel => new Refusal("this kernel cannot attach programs to functions (no BPF trampoline)"),
            _ when FieldPattern().Match(failure.Log) is { Success: true } field =>
                new Refusal($"this kernel's types have no {Word(field.Groups["name"].Value)}"),
            TooBig => new Refusal("the program is too long for this kernel's verifier"),
            NoSuchFile or NoSuchProcess => new Refusal("this kernel does not have the hook"),
            _ => LastWords(failure) ?? new Refusal(failure.Message),
        };
    }

    /// <summary>EPERM has many causes; the first that holds is the one to mend.</summary>
    public static Refusal OfPermission(HostFacts host, HookBackend? backend = null)
    {
        var missing = Missing(host, backend);
        if (missing.Length > 0)
        {
            return new Refusal(
                $"not permitted: run as root, or with {missing}",
                $"run as root, or grant {missing} (setcap, AmbientCapabilities=, securityContext.capabilities)");
        }

        if (host.IsInUserNamespace)
        {
            return new Refusal(
                "not permitted: the capabilities are those of a user namespace, and BPF asks for the machine's",
                "run outside of user namespaces: not in a rootless container");
        }

        if (host.Lockdown == Lockdown.Confidentiality)
        {
            return OfLockdown("it");
        }

        if (host.ChargesLockedMemory && host.LockedMemoryLimit is { } limit)
        {
            return new Refusal(
                $"not permitted: on this kernel maps count as locked memory, which is limited to {ReadableText.Bytes(limit)}",
                "grant CAP_SYS_RESOURCE, or raise the limit (ulimit -l unlimited, LimitMEMLOCK=infinity)");
        }

        return host.HasSeccompFilter
            ? new Refusal(
                "not permitted: the capabilities are there, so it is the seccomp filter of this container or service",
                "allow bpf and perf_event_open in the seccomp profile (seccompProfile, --security-opt seccomp=, SystemCallFilter=)")
            : new Refusal(
                "not permitted: the capabilities are there, so it is a security module (SELinux, AppArmor)",
                "look for denials in the audit log (ausearch -m avc, dmesg), and allow bpf");
    }

    private static string Missing(HostFacts host, HookBackend? backend)
    {
        var missing = new[] { Capability.Bpf, Capability.Perfmon, Capability.NetAdmin }
            .Where(capability => capability != Capability.NetAdmin || backend is null or HookBackend.Cgroup)
            .Where(capability => !host.Capabilities.Allows(capability)).Select(CapabilitySet.NameOf).ToList();
        return missing.Count > 1 ? $"{string.Join(", ", missing[..^1])} and {missing[^1]}" : string.Join("", missing);
    }

    private static Refusal OfHelper(string helper, HostFacts host) =>
        host.Lockdown == Lockdown.Confidentiality && helper.StartsWith("bpf_probe_read", StringComparison.Ordinal)
            ? OfLockdown("reading kernel memory")
            : new Refusal($"this kernel does not let such programs call {helper}");

    public static Refusal OfLockdown(string what) => new(
        $"kernel lockdown (confidentiality) forbids {what}", "boot with lockdown=integrity, or without lockdown");

    private static Refusal? MissingTypes(string log)
    {
        return log.Contains("/sys/kernel/btf/vmlinux", StringComparison.Ordinal)
            || log.Contains("failed to find valid kernel BTF", StringComparison.Ordinal)
            || log.Contains("loading vmlinux BTF", StringComparison.Ordinal)
                ? NoKernelTypes
                : null;
    }

    /// <summary>Programs on tracepoints and functions name them by number in the kernel's own types.</summary>
    public static Refusal NoKernelTypes => new(
        "the kernel itself has to carry its type information for such programs; a file does not do",
        "use a kernel built with CONFIG_DEBUG_INFO_BTF=y");

    private static Refusal? LastWords(BpfException failure)
    {
        // The verifier ends with its statistics; the line above them is its reason.
        var lines = failure.Log.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        var statistics = Array.FindLastIndex(lines, line => line.StartsWith("processed ", StringComparison.Ordinal));
        return statistics > 0
            ? new Refusal(
                $"the verifier refuses it: {PrintableText.Of(lines[statistics - 1], 200)}",
                "if --btf is given, leave it out or give the BTF of this very kernel; else please report this line and the kernel's release")
            : null;
    }

    private static string Word(string text) => PrintableText.Of(text, 80);

    // "prog 'sw_send': failed to find kernel BTF type ID of 'sock_send_length': -3"
    [GeneratedRegex("failed to find kernel BTF type ID of '(?<name>[^']+)'")]
    private static partial Regex TargetPattern();

    // "unknown func bpf_probe_read_kernel#113" before 6.8, "program of this type cannot use helper bpf_probe_read#4" after.
    [GeneratedRegex(@"(unknown func|cannot use helper) (?<name>bpf_\w+)#\d+")]
    private static partial Regex HelperPattern();

    // "failed to resolve CO-RE relocation <byte_off> [42] struct sock.sk_txhash (0:35 @ offset 720)"
    [GeneratedRegex(@"failed to resolve CO-RE relocation <[^>]*> \[\d+\] (?<name>(struct |enum |union )?[\w.:]+)")]
    private static partial Regex FieldPattern();
}
