using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Enrichment;

public sealed class EdgeNamingTests
{
    private const string ContainerId = "3f4e9d0c1b2a3f4e9d0c1b2a3f4e9d0c1b2a3f4e9d0c1b2a3f4e9d0c1b2a3f4e";

    private readonly ManualTime _time = new();

    private readonly FakeKernelTotals _kernel = new()
    {
        Executables = { [1] = "/usr/bin/curl", [2] = "/usr/sbin/nginx", [3] = "[kworker/3:1-events]" },
        Cgroups = { [1] = "/user.slice/session-3.scope", [2] = "/system.slice/nginx.service", [3] = $"/docker/{ContainerId}" },
    };

    [Theory]
    [InlineData(1, 1, "Process", "curl")]
    [InlineData(2, 2, "SystemdUnit", "nginx.service")]
    [InlineData(3, 2, "Container", "3f4e9d0c1b2a")]
    [InlineData(1, 3, "Process", "[kworker]")]
    [InlineData(9, 2, "Process", "nginx")]
    [InlineData(9, 9, "", "")]
    public void Names_the_owner_by_container_then_unit_then_executable(ulong cgroup, ulong executable, string kind, string name)
    {
        var names = Some.EdgeNaming(_kernel).Name(Some.Edge(cgroup: cgroup, executable: executable));

        Assert.Equal(("", kind, name), (names.WorkloadNamespace, names.WorkloadKind, names.WorkloadName));
    }

    [Fact]
    public void What_an_owner_has_too_much_of_keeps_the_owners_name()
    {
        var names = Some.EdgeNaming(_kernel).Name(new EdgeKey { CgroupId = 2, ExecutableId = 2 });

        Assert.Equal(EdgeAttributes.Overflow with { WorkloadKind = "SystemdUnit", WorkloadName = "nginx.service", ProcessExecutableName = "nginx" }, names);
    }

    [Fact]
    public void A_process_is_named_by_its_executable_and_has_its_pid()
    {
        const ulong executable = 5UL << 22;
        _kernel.Executables[executable] = "/usr/sbin/nginx";
        var naming = Some.EdgeNaming(_kernel);

        var first = naming.Name(Some.Edge(cgroup: 2, executable: Some.ProcessOf(executable, 4_194_303)));
        var second = naming.Name(Some.Edge(cgroup: 2, executable: Some.ProcessOf(executable, 1)));
        var overflow = naming.Name(new EdgeKey { CgroupId = 2, ExecutableId = executable });

        Assert.Equal(("nginx", "4194303"), (first.ProcessExecutableName, first.ProcessPid));
        Assert.Equal(first with { ProcessPid = "1" }, second);
        Assert.Equal(("nginx", ""), (overflow.ProcessExecutableName, overflow.ProcessPid));
        Assert.Equal("/usr/sbin/nginx", naming.ExecutablePath(Some.ProcessOf(executable, 1)));
        Assert.Equal(1, _kernel.PathLookups);
        Assert.Equal("", naming.Name(Some.Edge(cgroup: 2, executable: 2)).ProcessPid);
    }

    [Fact]
    public void A_process_that_ended_or_runs_something_else_is_gone_as_an_owner()
    {
        var process = Some.Edge(cgroup: 2, executable: Some.ProcessOf(5UL << 22, 77));
        var naming = Some.EdgeNaming(_kernel);
        _kernel.Processes.Add(process.ExecutableId);
        Assert.False(naming.IsGone(process));

        _kernel.Processes.Clear();

        Assert.True(naming.IsGone(process));
        Assert.False(naming.IsGone(Some.Edge(cgroup: 2, executable: 2)));
    }

    [Fact]
    public void Fills_in_every_attribute()
    {
        var names = Some.EdgeNaming(_kernel).Name(Some.Edge("2001:db8::1", NetworkRole.Server, 80, cgroup: 2, executable: 2));

        Assert.Equal(("nginx", "server", "public"), (names.ProcessExecutableName, names.NetworkRole, names.PeerClass));
        Assert.Equal(("80", "tcp", "ipv6"), (names.ServerPort, names.NetworkTransport, names.NetworkType));
    }

    [Fact]
    public void Finds_a_name_that_the_kernel_learns_late()
    {
        var naming = Some.EdgeNaming(_kernel);
        Assert.False(naming.Name(Some.Edge(cgroup: 9, executable: 9)).IsComplete);

        _kernel.Executables[9] = "/opt/late";

        Assert.Equal("late", naming.Name(Some.Edge(cgroup: 9, executable: 9)).WorkloadName);
    }

    [Theory]
    [InlineData("/usr/bin/app (deleted)", "app")]
    [InlineData("/tmp/evil\nname\u001b[31m", "evil\uFFFDname\uFFFD[31m")]
    [InlineData("/tmp/\u202egnp.exe", "\uFFFDgnp.exe")]
    [InlineData("relative", "relative")]
    public void Makes_hostile_names_printable(string path, string name)
    {
        _kernel.Executables[7] = path;

        Assert.Equal(name, Some.EdgeNaming(_kernel).Name(Some.Edge(cgroup: 0, executable: 7)).ProcessExecutableName);
    }

    [Fact]
    public void Cuts_long_names()
    {
        _kernel.Executables[7] = "/tmp/" + new string('x', 400);

        Assert.InRange(Some.EdgeNaming(_kernel).Name(Some.Edge(executable: 7)).ProcessExecutableName.Length, 200, 256);
    }

    [Fact]
    public void Gives_paths_and_container_ids_for_flow_records()
    {
        var naming = Some.EdgeNaming(_kernel);

        Assert.Equal("/usr/bin/curl", naming.ExecutablePath(1));
        Assert.Equal(ContainerId, naming.ContainerId(3));
        Assert.Null(naming.ContainerId(2));
        Assert.Null(naming.ExecutablePath(0));
    }

    [Fact]
    public void Classes_an_address_of_this_machine_as_node()
    {
        var naming = Some.EdgeNaming(_kernel, nodeAddresses: ["192.0.2.10", "127.0.0.1"]);

        Assert.Equal("node", naming.Name(Some.Edge("192.0.2.10")).PeerClass);
        Assert.Equal("loopback", naming.Name(Some.Edge("127.0.0.1")).PeerClass);
        Assert.Equal("public", naming.Name(Some.Edge("192.0.2.11")).PeerClass);
    }

    [Fact]
    public void Names_a_peer_after_the_longest_configured_network()
    {
        var naming = Some.EdgeNaming(_kernel, networks: new()
        {
            ["everything"] = ["0.0.0.0/0", "::/0"],
            ["office"] = ["10.0.0.0/8", "2001:db8::/32"],
            ["printers"] = ["10.1.2.0/24"],
        });

        Assert.Equal("printers", naming.Name(Some.Edge("10.1.2.3")).PeerName);
        Assert.Equal("office", naming.Name(Some.Edge("10.1.3.3")).PeerName);
        Assert.Equal("office", naming.Name(Some.Edge("2001:db8::1")).PeerName);
        Assert.Equal("everything", naming.Name(Some.Edge("198.51.100.1")).PeerName);
        Assert.Equal("everything", naming.Name(Some.Edge("2001:db9::1")).PeerName);
        Assert.Equal("Cidr", naming.Name(Some.Edge("10.1.2.3")).PeerKind);
        Assert.Equal("", naming.Name(Some.Edge() with { PeerAddress = default }).PeerName);
    }

    [Fact]
    public void Names_a_local_clients_peer_after_the_workload_that_serves_the_port()
    {
        var naming = Some.EdgeNaming(_kernel, _time, nodeAddresses: ["192.0.2.10"]);
        naming.Name(Some.Edge("127.0.0.1", NetworkRole.Server, 80, cgroup: 2, executable: 2));

        foreach (var address in new[] { "127.0.0.1", "192.0.2.10" })
        {
            var names = naming.Name(Some.Edge(address, NetworkRole.Client, 80, cgroup: 1, executable: 1));
            Assert.Equal(("SystemdUnit", "nginx.service"), (names.PeerKind, names.PeerName));
        }

        Assert.Equal("", naming.Name(Some.Edge("127.0.0.1", serverPort: 81)).PeerName);
        Assert.Equal("", naming.Name(Some.Edge("127.0.0.1", serverPort: 80, transport: TransportProtocol.Udp)).PeerName);
        Assert.Equal("", naming.Name(Some.Edge("198.51.100.1", serverPort: 80)).PeerName);
    }

    [Fact]
    public void Gives_no_peer_a_name_when_two_workloads_serve_the_port_unless_the_client_is_beside_one()
    {
        const string pod = "/kubepods/pod1/";
        _kernel.Cgroups[4] = pod + ContainerId;
        _kernel.Cgroups[5] = pod + new string('b', 64);
        var naming = Some.EdgeNaming(_kernel, _time);
        naming.Name(Some.Edge("127.0.0.1", NetworkRole.Server, 80, cgroup: 2, executable: 2));
        naming.Name(Some.Edge("127.0.0.1", NetworkRole.Server, 80, cgroup: 4, executable: 2));

        Assert.Equal("", naming.Name(Some.Edge("127.0.0.1", serverPort: 80, cgroup: 1)).PeerName);
        Assert.Equal("3f4e9d0c1b2a", naming.Name(Some.Edge("127.0.0.1", serverPort: 80, cgroup: 5)).PeerName);
        Assert.Equal("nginx.service", naming.Name(Some.Edge("127.0.0.1", serverPort: 80, cgroup: 2)).PeerName);
    }

    [Fact]
    public void Names_the_next_program_on_a_port_once_the_last_one_is_silent()
    {
        var naming = Some.EdgeNaming(_kernel, _time);
        naming.Name(Some.Edge("127.0.0.1", NetworkRole.Server, 8080, cgroup: 1, executable: 1));

        _time.Advance(TimeSpan.FromSeconds(10));
        naming.Name(Some.Edge("127.0.0.1", NetworkRole.Server, 8080, cgroup: 1, executable: 2));

        Assert.Equal("nginx", naming.Name(Some.Edge("127.0.0.1", serverPort: 8080, cgroup: 1)).PeerName);
    }

    [Fact]
    public void Asks_the_kernel_for_a_path_once_and_forgets_the_oldest_beyond_its_limit()
    {
        var caches = new CacheLedger();
        var naming = Some.EdgeNaming(_kernel, caches: caches, maxExecutables: 100);
        naming.Name(Some.Edge(executable: 1));
        naming.Name(Some.Edge(executable: 1));
        Assert.Equal(1, _kernel.PathLookups);

        for (ulong id = 1000; id < 1400; id++)
        {
            _kernel.Executables[id] = "/bin/x";
            naming.Name(Some.Edge(executable: id));
        }

        Assert.InRange(caches.Read().Single(cache => cache.Cache == "executables").Evictions, 300, 400);
    }

    [Fact]
    public void Counts_a_server_it_has_no_room_to_remember()
    {
        var losses = new LossLedger();
        var naming = Some.EdgeNaming(_kernel, _time, losses: losses, maxListeners: 1);
        naming.Name(Some.Edge("127.0.0.1", NetworkRole.Server, 80, cgroup: 2, executable: 2));
        naming.Name(Some.Edge("127.0.0.1", NetworkRole.Server, 81, cgroup: 2, executable: 2));

        Assert.Contains(new Loss("enrichment", "listeners_full", 1), losses.Read());

        _time.Advance(TimeSpan.FromHours(1));
        naming.Name(Some.Edge("127.0.0.1", NetworkRole.Server, 82, cgroup: 2, executable: 2));

        Assert.Contains(new Loss("enrichment", "listeners_full", 1), losses.Read());
    }
}
