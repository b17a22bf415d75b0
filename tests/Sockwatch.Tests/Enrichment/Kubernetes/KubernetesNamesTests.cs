using Sockwatch.Enrichment.Kubernetes;
using Sockwatch.Tests.Enrichment.Kubernetes.Server;

namespace Sockwatch.Tests.Enrichment.Kubernetes;

/// <summary>What an agent learns from a server that behaves.</summary>
public sealed class KubernetesNamesTests
{
    private static readonly string Id = new('a', 64);

    [Fact]
    public async Task A_pod_of_this_node_has_its_owner_container_and_attributes()
    {
        await using var server = await ApiServer.StartAsync();
        var pod = new Pod("checkout-7c9f8d5b4-x2x5z")
        {
            Owner = ("ReplicaSet", "checkout-7c9f8d5b4"), Labels = [("pod-template-hash", "7c9f8d5b4"), ("app", "checkout"), ("secret", "no")],
            Annotations = [("team", "red")], Containers = [("main", Id)],
        };
        server.Store.Put(pod);
        var options = RunningNames.OptionsOf();
        options.PodLabels.Add("app");
        options.PodLabels.Add("missing");
        options.PodAnnotations.Add("team");
        await using var names = await RunningNames.StartAsync(options, () => new() { Host = server.Url.ToString() });

        var found = names.Pod(pod, Id)!;

        Assert.Equal(new Sockwatch.Enrichment.Workload("shop", "Deployment", "checkout"), found.Workload);
        Assert.Equal(("shop", pod.Name, pod.Uid, "main", "node-1"), (found.Names.Namespace, found.Names.Name, found.Names.Uid, found.Names.Container, found.Names.Node));
        Assert.Equal(
            ["k8s.deployment.name=checkout", "k8s.replicaset.name=checkout-7c9f8d5b4", "k8s.pod.label.app=checkout", "k8s.pod.annotation.team=red"],
            found.Names.More.Select(one => $"{one.Key}={one.Value}"));
    }

    [Fact]
    public async Task Pods_come_change_and_go_by_the_watch()
    {
        await using var server = await ApiServer.StartAsync();
        await using var names = await RunningNames.StartAsync(server);
        var pod = new Pod("shell") { Phase = "Pending" };

        server.Store.Put(pod);
        await names.UntilAsync(() => names.Pod(pod) is { Names.Container: "" }, "the pod is known");
        server.Store.Put(pod with { Phase = "Running", Containers = [("bash", Id)], Ips = ["10.1.0.7", "fd00::7"] });
        await names.UntilAsync(() => names.Pod(pod, Id) is { Names.Container: "bash" } && names.Peer("fd00::7") is not null, "its container is known");
        server.Store.Delete(pod);
        await names.UntilAsync(() => names.Names.Pods.Count == 0, "the pod is gone");

        Assert.Equal("bash", names.Pod(pod, Id)!.Names.Container);
        Assert.Equal("pod shop/Pod/shell", names.Peer("10.1.0.7"));
    }

    [Fact]
    public async Task A_pod_from_a_file_is_found_by_the_hash_in_its_cgroup()
    {
        await using var server = await ApiServer.StartAsync();
        var hash = new string('c', 32);
        server.Store.Put(new Pod("etcd-node-1", "kube-system") { Owner = ("Node", "node-1"), Annotations = [("kubernetes.io/config.hash", hash)] });
        await using var names = await RunningNames.StartAsync(server);

        var found = names.Names.Pods.Find(new(null, hash, null, ""), out _);

        Assert.Equal(new Sockwatch.Enrichment.Workload("kube-system", "Pod", "etcd-node-1"), found!.Workload);
    }

    [Fact]
    public async Task What_a_pod_does_not_tell_of_its_owner_is_looked_up_once()
    {
        await using var server = await ApiServer.StartAsync();
        server.Store.PutOwned("jobs", "shop", "report-now", "CronJob", "report");
        server.Store.PutOwned("replicasets", "shop", "special", "Canary", "web");
        var pods = Enumerable.Range(0, 20).Select(i => new Pod($"report-now-{i}") { Owner = ("Job", "report-now") }).ToArray();
        var canary = new Pod("special-1") { Owner = ("ReplicaSet", "special") };
        var orphan = new Pod("gone-1") { Owner = ("Job", "gone") };
        Array.ForEach([.. pods, canary, orphan], server.Store.Put);
        await using var names = await RunningNames.StartAsync(server);

        await names.UntilAsync(
            () => names.Pod(pods[19])!.Workload is { Kind: "CronJob", Name: "report" } && names.Pod(canary)!.Workload is { Kind: "Canary", Name: "web" },
            "owners are looked up");
        await names.UntilAsync(() => server.Count("get /apis") == 3, "the third look-up");

        Assert.Contains("k8s.job.name=report-now", names.Pod(pods[0])!.Names.More.Select(one => $"{one.Key}={one.Value}"));
        Assert.Equal(new Sockwatch.Enrichment.Workload("shop", "Job", "gone"), names.Pod(orphan)!.Workload);
    }

    [Fact]
    public async Task Owners_of_other_nodes_pods_are_looked_up_only_when_they_are_met()
    {
        await using var server = await ApiServer.StartAsync();
        server.Store.PutOwned("jobs", "shop", "report-now", "CronJob", "report");
        server.Store.Put(new Pod("report-now-1", Node: "node-2") { Owner = ("Job", "report-now"), Ips = ["10.1.0.9"] });
        await using var names = await RunningNames.StartAsync(server);
        Assert.Equal(0, server.Count("get /apis"));

        Assert.Equal("pod shop/Job/report-now", names.Peer("10.1.0.9"));

        await names.UntilAsync(() => names.Peer("10.1.0.9") == "pod shop/CronJob/report", "the CronJob");
    }

    [Fact]
    public async Task Addresses_of_pods_services_and_nodes_have_names()
    {
        await using var server = await ApiServer.StartAsync();
        server.Store.Put(new Pod("db-0", "data", "node-2") { Owner = ("StatefulSet", "db"), Ips = ["10.2.0.1", "fd00:2::1"] });
        server.Store.Put(new Pod("proxy", "kube-system", "node-2") { Owner = ("DaemonSet", "proxy"), Ips = ["192.168.7.2"], HostNetwork = true });
        server.Store.Put(new Pod("local", "shop") { Owner = ("StatefulSet", "cart"), Ips = ["10.1.0.1"] });
        server.Store.PutService("shop", "cart", ["10.96.0.5", "fd00:96::5"], externalIps: ["203.0.113.9"], loadBalancer: ["203.0.113.10", "192.168.7.2"]);
        server.Store.PutService("data", "db", ["None"]);
        server.Store.PutNode("node-2", "192.168.7.2", "fd00:7::2");
        await using var names = await RunningNames.StartAsync(server);

        Assert.Equal("pod data/StatefulSet/db", names.Peer("10.2.0.1"));
        Assert.Equal("pod data/StatefulSet/db", names.Peer("fd00:2::1"));
        Assert.Equal("pod shop/StatefulSet/cart", names.Peer("10.1.0.1"));
        Assert.Equal("service shop/Service/cart", names.Peer("10.96.0.5"));
        Assert.Equal("service shop/Service/cart", names.Peer("fd00:96::5"));
        Assert.Equal("service shop/Service/cart", names.Peer("203.0.113.9"));
        Assert.Equal("service shop/Service/cart", names.Peer("203.0.113.10"));
        Assert.Equal("node /Node/node-2", names.Peer("192.168.7.2"));
        Assert.Equal("node /Node/node-2", names.Peer("fd00:7::2"));
        Assert.Null(names.Peer("10.99.0.1"));
    }

    [Theory]
    [InlineData("Cluster", "list pods,watch pods,list services,watch services,list nodes,watch nodes", 4)]
    [InlineData("Node", "list pods,watch pods,list services,watch services", 2)]
    [InlineData("Off", "list pods,watch pods", 1)]
    public async Task No_more_is_asked_than_the_scope_needs(string name, string rights, int watches)
    {
        var scope = Enum.Parse<KubernetesScope>(name);
        await using var server = await ApiServer.StartAsync();
        server.Rights.UnionWith(rights.Split(','));
        server.Store.Put(new Pod("here") { Ips = ["10.1.0.1"] });
        server.Store.Put(new Pod("there", Node: "node-2") { Ips = ["10.1.0.2"] });
        server.Store.PutService("shop", "cart", ["10.96.0.5"]);
        server.Store.PutNode("node-2", "192.168.7.2");
        await using var names = await RunningNames.StartAsync(server, scope);
        await names.UntilAsync(() => server.Count("watch ") == watches, "all are watched");
        await Task.Delay(300);

        Assert.Equal(2 * watches, server.Requests.Count);
        Assert.All(names.Ledger.Requests(), request => Assert.Equal("200", request.Outcome));
        Assert.Equal(scope != KubernetesScope.Off, names.Peer("10.1.0.1") is not null);
        Assert.Equal(scope == KubernetesScope.Cluster, names.Peer("10.1.0.2") is not null);
        Assert.Equal(scope != KubernetesScope.Off, names.Peer("10.96.0.5") is not null);
        Assert.Equal(scope == KubernetesScope.Cluster, names.Peer("192.168.7.2") is not null);
        Assert.All(server.Requests.Where(request => request.StartsWith("list", StringComparison.Ordinal)), request =>
        {
            Assert.Contains("resourceVersion=0", request);
            Assert.Contains("limit=500", request);
        });
        Assert.All(server.Requests.Where(request => request.StartsWith("watch", StringComparison.Ordinal)), request => Assert.Contains("allowWatchBookmarks=true", request));
    }

    [Fact]
    public async Task A_reused_address_is_whose_it_was_at_the_time()
    {
        await using var server = await ApiServer.StartAsync();
        await using var names = await RunningNames.StartAsync(server);
        var old = new Pod("old", Node: "node-2") { Ips = ["10.1.0.5"] };
        var young = new Pod("young", Node: "node-2") { Ips = ["10.1.0.5"] };
        server.Store.Put(old);
        await names.UntilAsync(() => names.Peer("10.1.0.5") == "pod shop/Pod/old", "the first");
        var then = DateTimeOffset.UtcNow;
        await Task.Delay(20);

        // It has ended, and its object is still there.
        server.Store.Put(old with { Phase = "Succeeded" });
        await Task.Delay(50);
        server.Store.Put(young);
        await names.UntilAsync(() => names.Peer("10.1.0.5") == "pod shop/Pod/young", "the second");

        Assert.Equal("pod shop/Pod/old", names.Peer("10.1.0.5", then));
    }

    [Fact]
    public async Task Names_come_in_pages_where_the_server_has_them()
    {
        await using var server = await ApiServer.StartAsync();
        server.PagesOutOfCache = true;
        server.Store.Fill(Enumerable.Range(0, 1234).Select(i => new Pod($"p{i}", Node: "node-2") { Ips = [$"10.{2 + (i >> 8)}.1.{i & 255}"] }.Stored()));

        await using var names = await RunningNames.StartAsync(server);

        Assert.Equal(1234, names.Ledger.Followed().Single(one => one.Resource == "cluster_pods").Count);
        Assert.Equal(2, server.Requests.Count(request => request.Contains("continue=", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Names_are_cut_and_cleaned_whatever_they_are()
    {
        await using var server = await ApiServer.StartAsync();
        var hostile = new Pod("a\"b\nc\u001b[31m\u202e" + new string('x', 64 * 1024), "n\0s")
        {
            Owner = ("K\"ind\n", new string('o', 64 * 1024)), Labels = [("app", "\r\n\"" + new string('v', 64 * 1024))], Containers = [("c\n", Id)],
        };
        server.Store.Put(hostile);
        server.Store.Put("pods", "shop/raw", version => $$$"""{"metadata":{"name":"raw{{{'\xff'}}}","namespace":"shop","uid":"raw","resourceVersion":"{{{version}}}"}}""", ("spec.nodeName", "node-1"));
        server.Store.Put("pods", "shop/wrong", version => $$$"""{"metadata":{"name":7,"uid":[],"resourceVersion":"{{{version}}}"}}""", ("spec.nodeName", "node-1"));
        var options = RunningNames.OptionsOf();
        options.PodLabels.Add("app");
        await using var names = await RunningNames.StartAsync(options, () => new() { Host = server.Url.ToString() });

        var found = names.Pod(hostile, Id)!;

        string[] all = [found.Workload.Kind, found.Workload.Name, found.Workload.Namespace, found.Names.Name, found.Names.Container, .. found.Names.More.Select(one => one.Value)];
        Assert.All(all, text => Assert.True(text.Length <= 256 && !text.Any(char.IsControl) && !text.Contains('\u202e'), text));
        Assert.Equal("raw\ufffd", names.Names.Pods.Find(new(null, "raw", null, ""), out _)!.Names.Name);
        Assert.Equal(1, names.Losses.Read().Single(loss => loss.Reason == "kubernetes_object_unreadable").Count);
    }
}
