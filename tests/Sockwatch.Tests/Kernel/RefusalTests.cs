using Sockwatch.Bpf;
using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Kernel;

/// <summary>Logs are those of libbpf 1.1 on Linux 6.18 and 6.12.</summary>
public class RefusalTests
{
    private const string Load = "bpf_object__load(sockwatch.bpf.o)";

    private static readonly HostFacts Root = new() { KernelVersion = new Version(6, 12), Release = "6.12" };

    [Theory]
    [InlineData(3, "libbpf: prog 'sw_send': failed to find kernel BTF type ID of 'sock_send_length': -3\nlibbpf: prog 'sw_send': failed to prepare load attributes: -3\n",
        "this kernel has no sock_send_length")]
    [InlineData(22, "0: R1=ctx() R10=fp0\nprogram of this type cannot use helper bpf_sk_storage_get#107\nprocessed 9 insns (limit 1000000) max_states_per_insn 0\n-- END PROG LOAD LOG --\n",
        "this kernel does not let such programs call bpf_sk_storage_get")]
    [InlineData(22, "unknown func bpf_sk_storage_get#107\nprocessed 9 insns (limit 1000000)\n", "this kernel does not let such programs call bpf_sk_storage_get")]
    [InlineData(22, "invalid func unknown#195896080\n<invalid CO-RE relocation>\nfailed to resolve CO-RE relocation <byte_off> [42] struct sock.sk_txhash (0:35 @ offset 720)\nprocessed 1 insns\n",
        "this kernel's types have no struct sock.sk_txhash")]
    [InlineData(22, "12: (79) r1 = *(u64 *)(r9 +0)\nR9 invalid mem access 'scalar'\nprocessed 13 insns (limit 1000000)\n",
        "the verifier refuses it: R9 invalid mem access 'scalar'")]
    [InlineData(524, "", "this kernel cannot attach programs to functions (no BPF trampoline)")]
    [InlineData(3, "", "this kernel does not have the hook")]
    [InlineData(12, "libbpf: Error in bpf_object__probe_loading():Cannot allocate memory(12)", "not enough memory for the maps")]
    [InlineData(22, "libbpf: kernel BTF is missing at '/sys/kernel/btf/vmlinux', was CONFIG_DEBUG_INFO_BTF enabled?\n",
        "the kernel itself has to carry its type information for such programs; a file does not do")]
    public void The_errno_gives_way_to_what_the_kernel_meant(int errno, string log, string reason) =>
        Assert.Equal(reason, Refusal.Of(new BpfException(Load, errno, log), Root).Reason);

    [Fact]
    public void Lockdown_is_named_when_it_is_what_takes_a_helper_away()
    {
        var failure = new BpfException(Load, 22, "program of this type cannot use helper bpf_probe_read#4\nprocessed 60 insns\n");

        Assert.Equal(
            new Refusal("kernel lockdown (confidentiality) forbids reading kernel memory", "boot with lockdown=integrity, or without lockdown"),
            Refusal.Of(failure, Root with { Lockdown = Lockdown.Confidentiality }));
        Assert.Equal("this kernel does not let such programs call bpf_probe_read", Refusal.Of(failure, Root).Reason);
    }

    [Fact]
    public void Each_missing_capability_is_named()
    {
        Assert.Equal("not permitted: run as root, or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN", Permission(With(), null));
        Assert.Equal("not permitted: run as root, or with CAP_PERFMON and CAP_NET_ADMIN", Permission(With(Capability.Bpf), HookBackend.Cgroup));
        Assert.Equal("not permitted: run as root, or with CAP_PERFMON", Permission(With(Capability.Bpf), HookBackend.Tracepoint));
        Assert.Equal("not permitted: run as root, or with CAP_NET_ADMIN", Permission(With(Capability.Bpf, Capability.Perfmon), HookBackend.Cgroup));
    }

    [Fact]
    public void With_all_capabilities_the_next_obstacle_is_named()
    {
        Assert.Contains("a user namespace", Permission(Root with { IsInUserNamespace = true }, null), StringComparison.Ordinal);
        Assert.Contains("lockdown", Permission(Root with { Lockdown = Lockdown.Confidentiality }, null), StringComparison.Ordinal);
        Assert.Contains("locked memory, which is limited to 65.5 kB", Permission(Root with { KernelVersion = new Version(5, 10), LockedMemoryLimit = 65_536 }, null), StringComparison.Ordinal);
        Assert.Contains("the seccomp filter", Permission(Root with { HasSeccompFilter = true }, null), StringComparison.Ordinal);
        Assert.Contains("a security module", Permission(Root, HookBackend.Tracepoint), StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_verifier_refuses_for_want_of_a_capability_is_told_as_that()
    {
        // Without CAP_PERFMON pointers may not be compared or stored, which reads like a bug of the program.
        var failure = new BpfException(Load, 13, "R8 pointer comparison prohibited\nprocessed 20 insns\n");

        Assert.Equal("not permitted: run as root, or with CAP_PERFMON", Refusal.Of(failure, With(Capability.Bpf, Capability.NetAdmin), HookBackend.Cgroup).Reason);
        Assert.Equal("the verifier refuses it: R8 pointer comparison prohibited", Refusal.Of(failure, Root).Reason);
    }

    private static string Permission(HostFacts host, HookBackend? backend) => Refusal.Of(new BpfException(Load, 1), host, backend).Reason;

    private static HostFacts With(params Capability[] capabilities) =>
        Root with { Capabilities = new CapabilitySet(capabilities.Aggregate(0UL, (bits, capability) => bits | (1UL << (int)capability))) };
}
