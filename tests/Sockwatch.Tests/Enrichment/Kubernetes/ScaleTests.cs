using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Sockwatch.Diagnostics;
using Sockwatch.Enrichment;
using Sockwatch.Enrichment.Kubernetes;
using Sockwatch.Enrichment.Kubernetes.Api;
using Sockwatch.Tests.Enrichment.Kubernetes.Server;

namespace Sockwatch.Tests.Enrichment.Kubernetes;

/// <summary>The numbers of docs/performance.md. SOCKWATCH_FULL_SCALE=1 makes the big ones as big as they are there.</summary>
[Collection(nameof(Alone))]
public sealed class ScaleTests(ITestOutputHelper output)
{
    // On a machine that is busy with other tests an answer can take long; what is measured is not how long.
    private static readonly ApiPatience Patient = RunningNames.Hasty with { Silence = TimeSpan.FromMinutes(1) };

    private static readonly string LongText = string.Join(' ', Enumerable.Repeat("{\"spec\":[1,2,3]}", 250));
    private static readonly bool IsFull = Environment.GetEnvironmentVariable("SOCKWATCH_FULL_SCALE") == "1";

    /// <summary>
    /// Each pod lives some hundred milliseconds, and its only flow is reported when it may long be gone; the first look at it
    /// often comes before the API server tells anybody that it exists.
    /// </summary>
    [Fact]
    public async Task Ten_thousand_pods_that_are_gone_in_no_time_have_names()
    {
        const int Pods = 10_000;
        await using var server = await ApiServer.StartAsync();
        var options = RunningNames.OptionsOf(KubernetesScope.Node);
        options.NameWait = TimeSpan.FromSeconds(10);
        await using var names = await RunningNames.StartAsync(options, () => new() { Host = server.Url.ToString() }, Patient);
        var reported = new ConcurrentBag<bool>();
        var reports = new List<Task>(Pods);
        var started = Stopwatch.GetTimestamp();

        for (var i = 0; i < Pods; i++)
        {
            var pod = new Pod($"task-{i}") { Owner = ("ReplicaSet", $"task{i % 50}-abcde"), Labels = [("pod-template-hash", "abcde")], Ips = [$"10.{i >> 16}.{(i >> 8) & 255}.{i & 255}"] };
            reports.Add(ReportAsync(names, pod, reported));
            server.Store.Put(pod with { Phase = "Pending", Ips = [] });
            _ = LiveAsync(server, pod);
            if (i % 20 == 19)
            {
                await Task.Delay(10);
            }

            if (i % 2500 == 2499)
            {
                server.Cut();
            }
        }

        await Task.WhenAll(reports);
        var named = reported.Count(isNamed => isNamed);

        output.WriteLine($"{named} of {Pods} short-lived pods named, {Pods / Stopwatch.GetElapsedTime(started).TotalSeconds:0} pods/s, watches cut 4 times");
        Assert.True(named >= Pods * 0.999, $"{named} of {Pods}");
    }

    [Fact]
    public async Task A_hundred_thousand_pods_fit_into_little_memory()
    {
        var count = IsFull ? 100_000 : 20_000;
        await using var server = await ApiServer.StartAsync();
        server.Store.Fill(Enumerable.Range(0, count).Select(i => PodOf(i).Stored() with { Json = version => TextOf(i, version) }));
        var cpu = Environment.CpuUsage.TotalTime;
        var started = Stopwatch.GetTimestamp();

        var took = await FollowAsync(server);
        var used = Environment.CpuUsage.TotalTime - cpu;
        var (memory, reading) = CostOf(count);

        output.WriteLine(
            $"{count} pods of 300 nodes: current after {took.TotalSeconds:0.0} s ({used.TotalSeconds:0.0} s of processor, server included), "
            + $"{server.BytesSent / 1e6:0} MB read, {memory / 1e6:0.0} MB kept, {memory / (count / 10_000.0) / 1e6:0.0} MB and {reading.TotalSeconds / count * 10_000:0.00} s of processor per 10,000 pods, {server.Requests.Count} requests");
        Assert.True(memory / count < 600, $"{memory / count} bytes a pod");
        Assert.Equal(8, server.Requests.Count);

        async Task<TimeSpan> FollowAsync(ApiServer server)
        {
            await using var names = await RunningNames.StartAsync(RunningNames.OptionsOf(), () => new() { Host = server.Url.ToString() }, ApiPatience.Usual, wait: false);
            await names.UntilAsync(() => names.Ledger.Followed().Count == 4 && names.IsCurrent, "everything is listed", 240);
            var current = Stopwatch.GetElapsedTime(started);
            Assert.Equal("pod shop/Deployment/app77", names.Peer("10.0.0.77"));
            Assert.Equal(count, names.Ledger.Followed().Single(one => one.Resource == "cluster_pods").Count);
            return current;
        }
    }

    [Fact]
    public async Task The_budget_of_requests_is_kept_while_pods_come_and_go()
    {
        await using var server = await ApiServer.StartAsync();
        server.Store.Fill(Enumerable.Range(0, 5000).Select(i => PodOf(i).Stored()));
        var patience = Patient with { ShortestWatch = TimeSpan.FromSeconds(2), LongestWatch = TimeSpan.FromSeconds(3) };
        await using var names = await RunningNames.StartAsync(RunningNames.OptionsOf(), () => new() { Host = server.Url.ToString() }, patience);
        var began = server.Requests.Count;
        var cpu = Environment.CpuUsage.TotalTime;
        var started = Stopwatch.GetTimestamp();
        for (var i = 0; i < 500; i++)
        {
            var pod = PodOf(100_000 + i);
            server.Store.Put(pod with { Phase = "Pending", Ips = [] });
            server.Store.Put(pod);
            server.Store.Delete(pod with { Name = PodOf(i).Name });
            await Task.Delay(10);
        }

        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        var requests = server.Requests.Count - began;
        output.WriteLine(
            $"5000 pods, {500 / seconds:0} pods/s: {requests} requests in {seconds:0.0} s with watches of 2 to 3 s, which at 5 to 10 min are "
            + $"{requests * 2.5 / 450 * 60 / seconds:0.0} a minute; {(Environment.CpuUsage.TotalTime - cpu).TotalSeconds / seconds * 1000:0} ms of processor a second, server included");
        await names.UntilAsync(() => names.Ledger.Followed().Single(one => one.Resource == "cluster_pods").Count is > 4900 and < 5100, "all news came");
        Assert.InRange(requests, 4, 4 * ((seconds / 2) + 2));
        Assert.Equal(4, server.Count("list "));
    }

    // Without the server, whose memory comes and goes.
    private static (long Memory, TimeSpan Reading) CostOf(int count)
    {
        const int Part = 1000;
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var reading = TimeSpan.Zero;
        var owners = new OwnerTable();
        var book = new AddressBook(new KubernetesOptions(), owners, _ => { }, new LossLedger(), new CacheLedger(), TimeProvider.System);
        var sink = new ClusterPodSink(book.Source());
        sink.BeginList();
        for (var first = 0; first < count; first += Part)
        {
            var texts = Enumerable.Range(first, Part).Select(i => Encoding.UTF8.GetBytes(TextOf(i, i))).ToArray();
            var cpu = Environment.CpuUsage.TotalTime;
            foreach (var text in texts)
            {
                sink.Put(ApiText.Read(text, ApiJson.Default.ClusterPod)!);
            }

            reading += Environment.CpuUsage.TotalTime - cpu;
        }

        sink.EndList();
        var memory = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.Equal(count, book.Addresses);
        GC.KeepAlive(sink);
        GC.KeepAlive(owners);
        return (memory, reading);
    }

    // Made once: what is measured is not how the server writes.
    private static readonly string s_text = (PodOf(0) with
    {
        Name = "@name@", Uid = "@uid@", Node = "@node@", Ips = ["@ip@"], Owner = ("ReplicaSet", "@owner@"),
    }).Json(0);

    private static string TextOf(int i, long version)
    {
        var pod = PodOf(i);
        return s_text.Replace("@name@", pod.Name, StringComparison.Ordinal).Replace("@uid@", pod.Uid, StringComparison.Ordinal)
            .Replace("@node@", pod.Node, StringComparison.Ordinal).Replace("@ip@", pod.Ips[0], StringComparison.Ordinal)
            .Replace("@owner@", pod.Owner!.Value.Name, StringComparison.Ordinal).Replace("\"resourceVersion\":\"0\"", $"\"resourceVersion\":\"{version}\"", StringComparison.Ordinal);
    }

    private static async Task LiveAsync(ApiServer server, Pod pod)
    {
        await Task.Delay(50);
        server.Store.Put(pod);
        await Task.Delay(100);
        server.Store.Delete(pod);
    }

    private static async Task ReportAsync(RunningNames names, Pod pod, ConcurrentBag<bool> reported)
    {
        // As the flow log does: what is awaited is asked for again until it is not.
        var cgroup = new CgroupName(new string('a', 64), pod.Uid, null, "");
        var found = names.Names.Pods.Find(cgroup, out var isAwaited);
        while (found is null && isAwaited)
        {
            await Task.Delay(200);
            found = names.Names.Pods.Find(cgroup, out isAwaited);
        }

        // The flow ends after the pod.
        await Task.Delay(1000);
        reported.Add(names.Names.Pods.Find(cgroup, out _) is { Workload.Kind: "Deployment" });
    }

    private static Pod PodOf(int i) => new($"app{i % 3000}-5d8c7b9f4-{i}", Node: $"node-{2 + (i % 300)}")
    {
        Uid = $"{i:x8}-0000-4000-8000-000000000000",
        Owner = ("ReplicaSet", $"app{i % 3000}-5d8c7b9f4"),
        Labels = [("pod-template-hash", "5d8c7b9f4"), ("app.kubernetes.io/name", "app"), ("team", "red")],

        // As long as they are where an operator and a mesh have written into them.
        Annotations = [("example.com/last-applied", LongText)],
        Ips = [$"10.{i >> 16}.{(i >> 8) & 255}.{i & 255}"],
        Created = DateTimeOffset.UnixEpoch.AddYears(56),
        Containers = [("main", new string('a', 64))],
    };
}

/// <summary>After all tests that may run side by side.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
