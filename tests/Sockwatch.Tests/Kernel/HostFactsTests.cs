using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Kernel;

public sealed class HostFactsTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("sockwatch-host-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void Reads_what_proc_and_sys_tell()
    {
        Write("proc/self/status", "Name:\tsockwatch\nUid:\t1000\t1001\t1000\t1000\nCapEff:\t000000c000001000\nSeccomp:\t2\n");
        Write("proc/self/uid_map", "         0          0 4294967295\n");
        Write("proc/self/limits", "Limit                     Soft Limit           Hard Limit           Units     \nMax locked memory         8388608              unlimited            bytes     \n");
        Write("proc/sys/kernel/osrelease", "5.10.0-32-cloud-amd64\n");
        Write("proc/self/mountinfo", "21 20 0:20 / /sys/fs/bpf rw shared:1 - bpf bpf rw\n22 20 0:21 / /mnt/with\\040space rw - cgroup cgroup rw,memory\n");
        Write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
        Write("proc/sys/kernel/perf_event_paranoid", "3\n");

        var host = HostFacts.Read(Paths);

        Assert.Equal("5.10.0-32-cloud-amd64", host.Release);
        Assert.Equal(new Version(5, 10), host.KernelVersion);
        Assert.True(host.ChargesLockedMemory);
        Assert.Equal(1001, host.EffectiveUser);
        Assert.True(host.Capabilities.Has(Capability.Bpf) && host.Capabilities.Has(Capability.Perfmon) && host.Capabilities.Has(Capability.NetAdmin));
        Assert.False(host.Capabilities.Has(Capability.SysAdmin));
        Assert.False(host.IsInUserNamespace);
        Assert.True(host.HasSeccompFilter);
        Assert.Equal(8_388_608, host.LockedMemoryLimit);
        Assert.Equal(Lockdown.Integrity, host.Lockdown);
        Assert.Equal(3, host.PerfEventParanoid);
        Assert.False(host.HasKernelTypes);
        Assert.Equal("/sys/fs/bpf", host.BpfFileSystem);
        Assert.Equal("v1", host.Cgroups.Name);
        Assert.Equal($"Linux 5.10.0-32-cloud-amd64, {host.Architecture}; no BTF; lockdown integrity; cgroups v1, cgroup2 not mounted", host.ToString());
    }

    [Fact]
    public void A_rootless_container_is_told_by_its_map_of_users()
    {
        Write("proc/self/uid_map", "         0       1000          1\n         1     100000      65536\n");

        Assert.True(HostFacts.Read(Paths).IsInUserNamespace);
    }

    [Fact]
    public void Lockdown_is_unknown_where_securityfs_is_not_mounted_and_off_where_it_has_none()
    {
        Directory.CreateDirectory(Path.Combine(_root, "sys/kernel/security"));
        Assert.Equal(Lockdown.Unknown, HostFacts.Read(Paths).Lockdown);

        Write("sys/kernel/security/lsm", "capability,landlock");
        Assert.Equal(Lockdown.None, HostFacts.Read(Paths).Lockdown);

        Write("sys/kernel/security/lockdown", "none integrity [confidentiality]\n");
        Assert.Equal(Lockdown.Confidentiality, HostFacts.Read(Paths).Lockdown);
    }

    [Fact]
    public void Nothing_at_all_is_no_failure()
    {
        var host = HostFacts.Read(Paths);

        Assert.Null(host.KernelVersion);
        Assert.Equal(-1, host.EffectiveUser);
        Assert.False(host.Capabilities.Has(Capability.Bpf));
        Assert.Equal("none", host.Cgroups.Name);
    }

    [Fact]
    public void The_version_2_hierarchy_is_found_wherever_all_of_it_is_mounted()
    {
        const string Hybrid =
            """
            30 24 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755
            31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate
            32 30 0:28 / /sys/fs/cgroup/memory rw shared:11 - cgroup cgroup rw,memory
            """;

        Assert.Equal(new CgroupLayout("/sys/fs/cgroup/unified", true), CgroupLayout.Read(Hybrid, _ => false));
        Assert.Equal("hybrid", CgroupLayout.Read(Hybrid, _ => false).Name);
        Assert.Equal("v1", CgroupLayout.Read(Hybrid, _ => null).Name);
    }

    [Fact]
    public void A_containers_own_cgroup_is_not_taken_for_the_hosts_root()
    {
        const string Container =
            """
            40 39 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw
            41 39 0:26 /../.. /host/cgroup ro - cgroup2 cgroup rw
            """;

        var seen = CgroupLayout.Read(Container, path => path == "/sys/fs/cgroup");
        var inside = CgroupLayout.Read(Container, _ => true);

        Assert.Equal("/host/cgroup", seen.Unified);
        Assert.Null(Cgroup2.WhyNot(seen));
        Assert.Null(inside.Unified);
        Assert.Equal("/sys/fs/cgroup shows the cgroups of this container only", Cgroup2.WhyNot(inside)!.Reason);
    }

    [Fact]
    public void The_root_cgroup_is_the_one_without_a_type()
    {
        Write("root/cgroup.controllers", "");
        Write("part/cgroup.controllers", "");
        Write("part/cgroup.type", "domain");

        Assert.False(CgroupLayout.IsPart(Path.Combine(_root, "root")));
        Assert.True(CgroupLayout.IsPart(Path.Combine(_root, "part")));
        Assert.Null(CgroupLayout.IsPart(_root));
    }

    [Fact]
    public void The_tightest_memory_limit_on_the_way_up_counts()
    {
        Write("proc/meminfo", "MemTotal:        2000000 kB\nMemFree: 1 kB\n");
        Write("proc/self/mountinfo", $"30 24 0:26 / {_root}/cg2 rw - cgroup2 cgroup2 rw\n31 24 0:27 /docker/abc {_root}/memory rw - cgroup cgroup rw,memory\n");

        Write("proc/self/cgroup", "0::/a/b\n");
        Assert.Equal(new MemoryLimit(2_048_000_000, $"{_root}/proc/meminfo"), MemoryLimit.Read(Paths));

        Write("cg2/a/memory.max", "1000\n");
        Write("cg2/a/b/memory.max", "3000\n");
        Assert.Equal(new MemoryLimit(1000, $"{_root}/cg2/a/memory.max"), MemoryLimit.Read(Paths));

        Write("proc/self/cgroup", "4:cpu,cpuacct:/docker/abc\n3:memory:/docker/abc/d\n0::/\n");
        Write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        Write("memory/d/memory.limit_in_bytes", "500\n");
        Assert.Equal(new MemoryLimit(500, $"{_root}/memory/d/memory.limit_in_bytes"), MemoryLimit.Read(Paths));
    }

    [Fact]
    public void The_memory_limit_of_a_container_is_found_beside_the_hierarchy_of_its_node()
    {
        Write("proc/self/mountinfo", $"30 24 0:26 / {_root}/own rw - cgroup2 cgroup2 rw\n31 24 0:26 /../../.. {_root}/node ro - cgroup2 cgroup2 rw\n");
        Write("proc/self/cgroup", "0::/\n");
        Write("own/memory.max", "1000\n");

        Assert.Equal(new MemoryLimit(1000, $"{_root}/own/memory.max"), MemoryLimit.Read(Paths));
    }

    private HostPaths Paths => new() { ProcRoot = Path.Combine(_root, "proc"), SysRoot = Path.Combine(_root, "sys") };

    private void Write(string path, string content)
    {
        var file = Path.Combine(_root, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, content);
    }
}
