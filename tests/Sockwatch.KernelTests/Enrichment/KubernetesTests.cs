using System.Diagnostics;
using System.Text.Json;
using Sockwatch.KernelTests.Agents;
using Sockwatch.Tests.Enrichment.Kubernetes.Server;

namespace Sockwatch.KernelTests.Enrichment;

/// <summary>
/// The agent that ships, real processes in cgroups laid out as the kubelet lays them out, and an API server whose news comes after
/// their first packets.
/// </summary>
public sealed class KubernetesTests(ITestOutputHelper output)
{
    private const int Pods = 30;

    // Of which there is any at all, and what each adds: measured, and about a third more.
    private const long BytesOfAnyNumber = 25 << 20;
    private const long BytesOfPod = 840;

    // Pods are as long as they are where an operator and a mesh have written into them.
    private static readonly string s_longText = string.Join(' ', Enumerable.Repeat("{\"spec\":[1,2,3]}", 250));

    // The server's end is in a namespace of its own, so that its address is nobody's on this machine.
    private const string Script = """
        set -eu
        ip link set lo up
        ip addr add 10.77.0.9/32 dev lo
        ip addr add 10.77.0.7/32 dev lo
        cd "$(mktemp -d)"
        echo hello > index.html
        python3 -m http.server 9000 --bind 10.77.0.9 >/dev/null 2>&1 &
        server=$!
        trap 'kill $server' EXIT
        until curl -s -o /dev/null http://10.77.0.9:9000/; do sleep 0.1; done
        for uid in $UIDS; do
          slice=$ROOT/kubepods.slice/kubepods-pod$(echo $uid | tr - _).slice
          scope=$slice/cri-containerd-$(echo "$uid$uid" | tr -d -).scope
          mkdir -p $scope
          sh -c "echo \$\$ > $scope/cgroup.procs; exec curl -s -o /dev/null --interface 10.77.0.7 http://10.77.0.9:9000/"
          rmdir $scope $slice
          echo $uid
        done
        """;

    [Fact]
    public async Task Pods_that_are_gone_before_anybody_knows_of_them_have_names_in_every_series_and_record()
    {
        Requires.Bpf();
        Requires.Program("ip", "iproute2");
        Requires.Program("curl", "curl");
        var root = Requires.Cgroup2();
        await using var server = await ApiServer.StartAsync();
        server.Store.Put(new Pod("web-0", Node: "node-2") { Owner = ("StatefulSet", "web"), Ips = ["10.77.0.9"] });
        server.Store.PutService("shop", "web", ["10.96.0.1"]);
        var pods = Enumerable.Range(0, Pods).Select(i => new Pod($"report-29926680-{i}")
        {
            Owner = ("Job", "report-29926680"), Created = DateTimeOffset.FromUnixTimeSeconds(29926680L * 60), Ips = ["10.77.0.7"],
        }).ToArray();
        var kubeconfig = await Kubeconfig.WriteAsync(server.Url);
        await using var agent = await RunningAgent.StartInAsync(
            Directory.CreateTempSubdirectory("sockwatch-test-"),
            ("SOCKWATCH__KUBERNETES__NODENAME", "node-1"),
            ("SOCKWATCH__KUBERNETES__KUBECONFIG", kubeconfig),
            ("SOCKWATCH__FLOWLOG__FORMAT", "json"));

        // Told of half of them late, and of the others when they are gone.
        var running = Shell.RunAsync("unshare", ["-n", "bash", "-c", Script], new Dictionary<string, string>
        {
            ["UIDS"] = string.Join(' ', pods.Select(pod => pod.Uid)), ["ROOT"] = root,
        });
        await agent.ScrapeUntilAsync(page => page.Of("sockwatch_kubernetes_current").Any(), TimeSpan.FromSeconds(10));
        await Task.Delay(500);
        foreach (var pod in pods)
        {
            server.Store.Put(pod);
            await Task.Delay(20);
            server.Store.Delete(pod);
        }

        var ended = await running;
        Assert.True(ended.ExitCode == 0, ended.Errors);
        var page = await agent.ScrapeUntilAsync(
            page => page.Sum("sockwatch_socket_operations_total", ("workload_kind", "CronJob"), ("socket_operation", "connect"), ("error_type", "")) >= Pods,
            TimeSpan.FromSeconds(20));
        await agent.StopAsync();

        var series = page.Of("sockwatch_socket_io_bytes_total").Where(sample => sample["process_executable_name"] == "curl" && sample["peer_name"] == "web").ToArray();
        var records = agent.Output.Select(line => JsonDocument.Parse(line).RootElement)
            .Where(record => record.TryGetProperty("process.executable.name", out var name) && name.GetString() == "curl" && record.TryGetProperty("container.id", out _))
            .ToArray();
        output.WriteLine($"{records.Length} records of {Pods} pods, the agent at {agent.Errors.Split('\n').Length} log lines");
        Assert.Contains(series, sample => (sample["workload_namespace"], sample["workload_kind"], sample["workload_name"]) == ("shop", "CronJob", "report"));
        Assert.DoesNotContain(page.Of("sockwatch_socket_io_bytes_total"), sample => sample["workload_kind"] == "Container" && sample["process_executable_name"] == "curl");
        Assert.All(series, sample => Assert.Equal(("pod", "shop", "StatefulSet"), (sample["peer_class"], sample["peer_namespace"], sample["peer_kind"])));
        Assert.Equal(2 * Pods, records.Length);
        Assert.All(records, record =>
        {
            Assert.StartsWith("report-29926680-", record.GetProperty("k8s.pod.name").GetString());
            Assert.Equal("report", record.GetProperty("k8s.cronjob.name").GetString());
            Assert.Equal("node-1", record.GetProperty("k8s.node.name").GetString());
            Assert.Equal("web", record.GetProperty("peer.name").GetString());
        });
        Assert.Equal(Pods, records.Select(record => record.GetProperty("k8s.pod.uid").GetString()).Distinct().Count());
    }

    /// <summary>A hundred thousand with SOCKWATCH_FULL_SCALE=1, as in docs/performance.md.</summary>
    [Fact]
    public async Task Ten_thousand_pods_of_other_nodes_are_a_few_megabytes_and_no_second_of_the_start()
    {
        Requires.Bpf();
        var others = Environment.GetEnvironmentVariable("SOCKWATCH_FULL_SCALE") == "1" ? 100_000 : 10_000;
        await using var server = await ApiServer.StartAsync();
        server.Store.Fill(Enumerable.Range(0, others).Select(i => new Pod($"app{i % 3000}-5d8c7b9f4-{i}", Node: $"node-{2 + (i % 300)}")
        {
            Owner = ("ReplicaSet", $"app{i % 3000}-5d8c7b9f4"), Labels = [("pod-template-hash", "5d8c7b9f4")], Ips = [$"10.{78 + (i >> 16)}.{(i >> 8) & 255}.{i & 255}"],
            Annotations = [("example.com/last-applied", s_longText)],
        }.Stored()));
        var (before, _, _, _) = await RunAsync("off", Path.GetTempFileName());

        var (after, peak, ready, named) = await RunAsync("on", await Kubeconfig.WriteAsync(server.Url));

        var limit = (BytesOfAnyNumber + (others * BytesOfPod)) >> 20;
        output.WriteLine(
            $"{others} pods of 300 nodes: resident memory {before >> 20} MiB without Kubernetes, {after >> 20} MiB with them, {peak >> 20} MiB at most (limit: {limit} MiB more); "
            + $"ready after {ready.TotalMilliseconds:0} ms, all have names after {named.TotalSeconds:0.0} s; {server.Requests.Count} requests, {server.BytesSent / 1e6:0} MB read");
        Assert.Equal(8, server.Requests.Count);
        Assert.True((after - before) >> 20 < limit, $"{before} and {after}");

        async Task<(long Resident, long Peak, TimeSpan Ready, TimeSpan Named)> RunAsync(string enabled, string kubeconfig)
        {
            await using var agent = await RunningAgent.StartInAsync(
                Directory.CreateTempSubdirectory("sockwatch-test-"),
                ("SOCKWATCH__FLOWLOG__TARGET", "none"),
                ("SOCKWATCH__KUBERNETES__ENABLED", enabled),
                ("SOCKWATCH__KUBERNETES__KUBECONFIG", kubeconfig));
            var clock = Stopwatch.StartNew();
            await agent.ScrapeAsync();
            if (enabled == "on")
            {
                var page = await agent.ScrapeUntilAsync(
                    page => page.Sum("sockwatch_kubernetes_objects", ("resource", "cluster_pods")) == others && page.Of("sockwatch_kubernetes_current").All(sample => sample.Value == 1), TimeSpan.FromMinutes(3));
                Assert.Equal(others, page.Sum("sockwatch_kubernetes_objects", ("resource", "cluster_pods")));
            }

            var named = agent.StartTime + clock.Elapsed;

            // What the list needed only while it came is given back.
            await Task.Delay(3000);
            return (agent.ResidentBytes, agent.PeakResidentBytes, agent.StartTime, named);
        }
    }
}
