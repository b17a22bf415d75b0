using Sockwatch.Aggregation;
using Sockwatch.Enrichment;
using Sockwatch.Kernel;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Enrichment;

public sealed class ClusterNamingTests
{
    private const string Uid = "0a1b2c3d-1111-2222-3333-444455556666";
    private const string Path = "/kubepods/burstable/pod0a1b2c3d-1111-2222-3333-444455556666/3f4e9d0c1b2a3f4e9d0c1b2a3f4e9d0c1b2a3f4e9d0c1b2a3f4e9d0c1b2a3f4e";

    private readonly ManualTime _time = new();
    private readonly FakeCluster _cluster = new();

    private readonly FakeKernelTotals _kernel = new()
    {
        Executables = { [1] = "/usr/bin/java" },
        Cgroups = { [1] = Path, [2] = "/system.slice/kubelet.service" },
    };

    [Fact]
    public void A_socket_in_a_pod_belongs_to_the_pods_owner()
    {
        _cluster.PodsByUid[Uid] = Pod("checkout", "checkout-5d8f-x2x7k");
        var naming = Some.EdgeNaming(_kernel, _time, pods: _cluster);

        var names = naming.Name(Some.Edge(cgroup: 1, executable: 1));

        Assert.Equal(("shop", "Deployment", "checkout", "checkout-5d8f-x2x7k"), (names.WorkloadNamespace, names.WorkloadKind, names.WorkloadName, names.PodName));
        Assert.Equal("checkout-5d8f-x2x7k", naming.Pod(1)!.Name);
        Assert.Null(naming.Pod(2));
        Assert.Equal("SystemdUnit", naming.Name(Some.Edge(cgroup: 2, executable: 1)).WorkloadKind);
    }

    [Fact]
    public void A_pod_that_is_awaited_has_its_containers_name_until_it_comes()
    {
        _cluster.Awaited.Add(Uid);
        var naming = Some.EdgeNaming(_kernel, _time, pods: _cluster);

        var names = naming.Name(Some.Edge(cgroup: 1, executable: 1));
        Assert.Equal(("Container", false), (names.WorkloadKind, names.IsComplete));

        _cluster.Awaited.Clear();
        _cluster.PodsByUid[Uid] = Pod("checkout", "checkout-5d8f-x2x7k");
        names = naming.Name(Some.Edge(cgroup: 1, executable: 1));
        Assert.Equal(("Deployment", true), (names.WorkloadKind, names.IsComplete));
    }

    [Fact]
    public void A_pod_that_nobody_knows_still_has_the_uid_that_its_path_tells()
    {
        var naming = Some.EdgeNaming(_kernel, _time);

        Assert.Equal(("", Uid), (naming.Pod(1)!.Name, naming.Pod(1)!.Uid));
        Assert.Null(naming.Pod(2));
    }

    [Fact]
    public void A_peer_that_is_awaited_makes_the_name_provisional_unless_the_configuration_names_it()
    {
        _cluster.Awaited.UnionWith(["10.3.7.9", "10.4.7.9"]);
        var naming = Some.EdgeNaming(_kernel, _time, cluster: _cluster, networks: new() { ["office"] = ["10.4.0.0/16"] });

        Assert.True(naming.Name(Some.Edge("10.3.7.9")).IsProvisional);
        Assert.False(naming.Name(Some.Edge("10.4.7.9")).IsProvisional);
        Assert.True(naming.IsAwaited(new FlowRecord { Edge = Some.Edge("10.3.7.9") }));
        Assert.False(naming.IsAwaited(new FlowRecord { Edge = Some.Edge("10.4.7.9") }));
    }

    [Fact]
    public void That_a_name_is_provisional_makes_no_series_of_its_own()
    {
        var provisional = Some.Attributes() with { IsProvisional = true };

        Assert.Equal(Some.Attributes(), new AttributeSelection(new AggregationOptions()).Apply(Some.Edge(), provisional));
    }

    [Fact]
    public void The_cluster_names_a_peer_before_the_configuration_does()
    {
        _cluster.Peers["10.3.7.9"] = [(DateTimeOffset.MinValue, Peer("orders"))];
        var naming = Some.EdgeNaming(_kernel, _time, cluster: _cluster, networks: new() { ["pods"] = ["10.3.0.0/16"] });

        var known = naming.Name(Some.Edge("10.3.7.9"));
        var unknown = naming.Name(Some.Edge("10.3.7.10"));

        Assert.Equal(("pod", "shop", "Deployment", "orders"), (known.PeerClass, known.PeerNamespace, known.PeerKind, known.PeerName));
        Assert.Equal(("private", "", "Cidr", "pods"), (unknown.PeerClass, unknown.PeerNamespace, unknown.PeerKind, unknown.PeerName));
    }

    [Fact]
    public void A_record_names_who_had_the_address_when_the_flow_began()
    {
        var reusedAt = DateTimeOffset.UtcNow - TimeSpan.FromMinutes(1);
        _cluster.Peers["10.3.7.9"] = [(reusedAt, Peer("second")), (DateTimeOffset.MinValue, Peer("first"))];
        var naming = Some.EdgeNaming(_kernel, _time, cluster: _cluster);

        Assert.Equal("first", naming.Name(Record(TimeSpan.FromMinutes(2))).PeerName);
        Assert.Equal("second", naming.Name(Record(TimeSpan.FromSeconds(10))).PeerName);
    }

    [Fact]
    public void A_pods_client_finds_who_serves_its_loopback_in_its_own_pod_and_nowhere_else()
    {
        const string otherUid = "0a1b2c3d-1111-2222-3333-444455557777";
        _kernel.Cgroups[3] = Path[..Path.LastIndexOf('/')] + "/" + new string('b', 64);
        _kernel.Cgroups[4] = $"/kubepods/burstable/pod{otherUid}/{new string('c', 64)}";
        _cluster.PodsByUid[Uid] = Pod("checkout", "checkout-5d8f-x2x7k");
        _cluster.PodsByUid[otherUid] = Pod("orders", "orders-1");
        var naming = Some.EdgeNaming(_kernel, _time, pods: _cluster);
        naming.Name(Some.Edge("127.0.0.1", NetworkRole.Server, 9090, cgroup: 4, executable: 1));

        Assert.Equal("", naming.Name(Some.Edge("127.0.0.1", serverPort: 9090, cgroup: 3)).PeerName);
        Assert.Equal("orders", naming.Name(Some.Edge("127.0.0.1", serverPort: 9090, cgroup: 2)).PeerName);

        naming.Name(Some.Edge("127.0.0.1", NetworkRole.Server, 9090, cgroup: 1, executable: 1));
        Assert.Equal("checkout", naming.Name(Some.Edge("127.0.0.1", serverPort: 9090, cgroup: 3)).PeerName);
        Assert.Equal("", naming.Name(Some.Edge("127.0.0.1", serverPort: 9090, cgroup: 2)).PeerName);
    }

    private static FlowRecord Record(TimeSpan beganBefore) => new()
    {
        AtNs = BootClock.NowNs(),
        StartedAtNs = BootClock.NowNs() - (ulong)beganBefore.TotalNanoseconds,
        Edge = Some.Edge("10.3.7.9"),
    };

    private static LocalPod Pod(string deployment, string name) => new(
        new Workload("shop", "Deployment", deployment), new PodNames("shop", name, Uid, "main", "node-1", []));

    private static RemotePeer Peer(string deployment) => new(new Workload("shop", "Deployment", deployment), PeerClass.Pod);
}
