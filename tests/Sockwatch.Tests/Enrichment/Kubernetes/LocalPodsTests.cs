using Sockwatch.Diagnostics;
using Sockwatch.Enrichment;
using Sockwatch.Enrichment.Kubernetes;
using Sockwatch.Enrichment.Kubernetes.Api;
using Sockwatch.Tests.Fakes;

namespace Sockwatch.Tests.Enrichment.Kubernetes;

public sealed class LocalPodsTests
{
    private readonly ManualTime _time = new();
    private readonly LossLedger _losses = new();
    private readonly CacheLedger _caches = new();
    private readonly OwnerTable _owners = new();
    private readonly KubernetesOptions _options = new() { NodeName = "node-1", KeepDeleted = TimeSpan.FromMinutes(5), NameWait = TimeSpan.FromSeconds(3) };

    [Fact]
    public void A_pod_that_is_not_known_yet_is_awaited_for_a_while_and_never_again()
    {
        var pods = Pods();

        Assert.Null(Find(pods, "one", out var isAwaited));
        Assert.True(isAwaited);
        _time.Advance(TimeSpan.FromSeconds(2.9));
        Find(pods, "one", out isAwaited);
        Assert.True(isAwaited);
        _time.Advance(TimeSpan.FromSeconds(0.2));
        Find(pods, "one", out isAwaited);
        Assert.False(isAwaited);

        pods.Put(Pod("one"));
        Assert.NotNull(Find(pods, "one", out isAwaited));
        Assert.False(isAwaited);
    }

    [Fact]
    public void What_is_no_pods_is_not_awaited()
    {
        Assert.Null(Pods().Find(new CgroupName(new string('a', 64), null, "nginx.service", ""), out var isAwaited));

        Assert.False(isAwaited);
    }

    [Fact]
    public void Nothing_is_awaited_once_the_agent_ends()
    {
        var pods = Pods();
        pods.StopWaiting();

        Find(pods, "one", out var isAwaited);

        Assert.False(isAwaited);
    }

    [Fact]
    public void A_pod_that_is_gone_keeps_its_name_for_so_long_and_no_longer()
    {
        var pods = Pods();
        pods.Put(Pod("one"));
        pods.Remove(Pod("one"));

        _time.Advance(TimeSpan.FromMinutes(4));
        Assert.Equal("one", Find(pods, "one", out _)!.Names.Name);

        _time.Advance(TimeSpan.FromMinutes(2));
        pods.Put(Pod("two"));
        Assert.Null(Find(pods, "one", out _));
        Assert.Equal(1, _owners.Count);
    }

    [Fact]
    public void A_pod_that_was_only_seen_to_go_has_a_name()
    {
        var pods = Pods();
        pods.Remove(Pod("one"));

        Assert.Equal("one", Find(pods, "one", out _)!.Names.Name);
        Assert.Equal(0, pods.Count);
    }

    [Fact]
    public void A_list_ends_those_it_does_not_name_and_one_that_comes_back_lives()
    {
        var pods = Pods();
        pods.Put(Pod("one"));
        pods.Put(Pod("two"));

        List(pods, "one");
        Assert.Equal(1, pods.Count);
        List(pods, "one", "two");
        Assert.Equal(2, pods.Count);
        List(pods, "one");
        _time.Advance(TimeSpan.FromMinutes(4));
        List(pods, "one", "two");
        _time.Advance(TimeSpan.FromMinutes(6));
        pods.Put(Pod("three"));

        Assert.NotNull(Find(pods, "two", out _));
        Assert.Equal(3, pods.Count);
    }

    [Fact]
    public void Those_gone_longest_make_room_and_what_finds_none_is_counted()
    {
        var pods = Pods(limit: 3);
        foreach (var name in (string[])["one", "two", "three"])
        {
            pods.Put(Pod(name));
        }

        pods.Put(Pod("four"));
        Assert.Null(Find(pods, "four", out _));
        Assert.Equal(1, Loss(LossLedger.ObjectsFull));

        pods.Remove(Pod("one"));
        pods.Put(Pod("five"));
        Assert.NotNull(Find(pods, "five", out _));
        Assert.Null(Find(pods, "one", out _));
        Assert.Equal(1, _caches.Read().Single(cache => cache.Cache == "pods").Evictions);
    }

    [Fact]
    public void A_container_that_is_started_again_and_again_keeps_few_ids()
    {
        var pods = Pods();
        for (var i = 0; i < 100; i++)
        {
            pods.Put(Pod("one", Id(i)));
        }

        Assert.Equal("main", pods.Find(new CgroupName(Id(99), null, null, ""), out _)!.Names.Container);
        Assert.Null(pods.Find(new CgroupName(Id(0), null, null, ""), out _));
        Assert.Equal("one", pods.Find(new CgroupName(Id(0), "one", null, ""), out _)!.Names.Name);
    }

    [Fact]
    public void A_container_that_goes_on_keeps_its_name_beside_one_that_is_started_again_and_again()
    {
        var pods = Pods();
        for (var i = 1; i < 100; i++)
        {
            var pod = Pod("one", Id(0));
            pod.Status!.ContainerStatuses!.Add(new ContainerStatus { Name = "crashes", ContainerId = $"cri-o://{Id(i)}" });
            pods.Put(pod);
        }

        Assert.Equal("main", pods.Find(new CgroupName(Id(0), null, null, ""), out _)!.Names.Container);
        Assert.Equal("crashes", pods.Find(new CgroupName(Id(99), null, null, ""), out _)!.Names.Container);
    }

    [Fact]
    public void Labels_that_change_are_taken_as_they_are_now()
    {
        _options.PodLabels.Add("version");
        var pods = Pods();
        pods.Put(Pod("one", labels: "1"));
        Assert.Equal("1", Find(pods, "one", out _)!.Names.More[^1].Value);

        pods.Put(Pod("one", labels: "2"));

        Assert.Equal("2", Find(pods, "one", out _)!.Names.More[^1].Value);
        Assert.Equal(1, _owners.Count);
    }

    private static string Id(int number) => number.ToString("x64", System.Globalization.CultureInfo.InvariantCulture);

    private static NodePod Pod(string name, string? container = null, string? labels = null) => new()
    {
        Metadata = new NodePodMetadata { Uid = name, Name = name, Namespace = "shop", Labels = labels is null ? null : new() { ["version"] = labels } },
        Status = new NodePodStatus { ContainerStatuses = container is null ? null : [new ContainerStatus { Name = "main", ContainerId = $"cri-o://{container}" }] },
    };

    private static LocalPod? Find(LocalPods pods, string uid, out bool isAwaited) => pods.Find(new CgroupName(null, uid, null, ""), out isAwaited);

    private static void List(LocalPods pods, params string[] names)
    {
        pods.BeginList();
        foreach (var name in names)
        {
            pods.Put(Pod(name));
        }

        pods.EndList();
    }

    private LocalPods Pods(int limit = LocalPods.MaxPods) => new(_options, _owners, _ => { }, _losses, _caches, _time, limit);

    private long Loss(string reason) => _losses.Read().Single(loss => loss.Stage == LossLedger.EnrichmentStage && loss.Reason == reason).Count;
}
