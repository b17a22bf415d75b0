using System.Diagnostics;
using System.Text.Json;
using Sockwatch.KernelTests.Agents;
using Sockwatch.Tests.Enrichment.Kubernetes.Server;

namespace Sockwatch.KernelTests.Enrichment;

/// <summary>
/// The agent that ships, and ten thousand pods that are there for one connection: each a process of its own in a cgroup of its own,
/// laid out as the kubelet lays them out, and gone before anybody can look at it. The API server tells of each before or after its
/// connection, and that it is gone before or after the agent hears of the connection; its watches are cut meanwhile.
/// </summary>
public sealed class ShortLivedPodsTests(ITestOutputHelper output)
{
    private const int Pods = 10_000;
    private const int Deployments = 50;
    private const int Cuts = 4;
    private const double PodsPerSecond = 400;
    private const double Share = 0.999;

    // connect, send and release.
    private const int OperationsOfPod = 3;

    [Fact]
    public async Task Ten_thousand_pods_that_live_for_one_connection_have_their_workload_in_every_record_and_series()
    {
        Requires.Bpf();
        var root = Path.Combine(Requires.Cgroup2(), $"sockwatch-test-{Guid.NewGuid():N}");
        var kubepods = Path.Combine(root, "kubepods.slice");
        Directory.CreateDirectory(kubepods);
        try
        {
            await using var server = await ApiServer.StartAsync();
            await using var agent = await RunningAgent.StartInAsync(
                Directory.CreateTempSubdirectory("sockwatch-test-"),
                ("SOCKWATCH__KUBERNETES__NODENAME", "node-1"),
                ("SOCKWATCH__KUBERNETES__KUBECONFIG", await Kubeconfig.WriteAsync(server.Url)),
                ("SOCKWATCH__FLOWLOG__FORMAT", "json"));
            var resident = agent.ResidentBytes >> 20;
            var pods = Enumerable.Range(0, Pods).Select(PodOf).ToArray();

            var clock = Stopwatch.StartNew();
            await RunAsync(server, pods, kubepods);
            var took = clock.Elapsed;

            var page = await agent.ScrapeUntilAsync(page => RightOperations(page) == Pods * OperationsOfPod, TimeSpan.FromSeconds(10));
            var after = agent.ResidentBytes >> 20;
            await agent.StopAsync();
            var operations = RightOperations(page);
            var (starts, startsRight) = Records(agent, pods, "flow.start");
            var (ends, endsRight) = Records(agent, pods, "flow.end");
            output.WriteLine(
                $"{Pods} pods in {took.TotalSeconds:0.0} s, {server.Count("watch ")} watches, cut {Cuts} times: {startsRight} of {Pods} flow.start ({starts} with their container), "
                + $"{endsRight} of {Pods} flow.end ({ends}) and {operations} of {Pods * OperationsOfPod} operations have the pod's workload; "
                + $"resident memory {resident} MiB before, {after} MiB after; lost: {(page.Losses == "" ? "none" : page.Losses)}");
            Assert.InRange(startsRight, Share * Pods, Pods);
            Assert.InRange(endsRight, Share * Pods, Pods);
            Assert.InRange(operations, Share * Pods * OperationsOfPod, Pods * OperationsOfPod);
        }
        finally
        {
            Directory.Delete(kubepods);
            Directory.Delete(root);
        }
    }

    private static async Task RunAsync(ApiServer server, Pod[] pods, string kubepods)
    {
        using var spawn = LoadProgram.Start("spawn", "--count", $"{Pods}", "--parallel", "2", "--cgroups");
        var truth = spawn.StandardOutput.ReadToEndAsync();
        var errors = spawn.StandardError.ReadToEndAsync();
        using var cgroups = TextWriter.Synchronized(spawn.StandardInput);
        spawn.StandardInput.AutoFlush = true;
        var lives = new List<Task>(Pods);
        var clock = Stopwatch.StartNew();
        for (var i = 0; i < Pods; i++)
        {
            var pod = pods[i];
            lives.Add(LiveAsync(server, pod, i, () => cgroups.WriteLine(CgroupOf(kubepods, pod))));
            if (i % (Pods / Cuts) == (Pods / Cuts) - 1)
            {
                server.Cut();
            }

            if (TimeSpan.FromSeconds(i / PodsPerSecond) - clock.Elapsed is { TotalMilliseconds: > 2 } early)
            {
                await Task.Delay(early);
            }
        }

        await Task.WhenAll(lives);
        await spawn.WaitForExitAsync();
        Assert.True(spawn.ExitCode == 0, await errors);
        Assert.NotEmpty(await truth);
    }

    // News takes its time, and a watch that was cut takes a second more; all within what the agent waits for a name.
    private static async Task LiveAsync(ApiServer server, Pod pod, int number, Action connect)
    {
        switch (number % 5)
        {
            case 0: // as most do
                server.Store.Put(pod);
                await Task.Delay(50);
                connect();
                await Task.Delay(100);
                break;
            case 1: // gone for the API server before it connects
                server.Store.Put(pod);
                await Task.Delay(20);
                server.Store.Delete(pod);
                connect();
                break;
            case 2: // known at about the time its records are read
                connect();
                await Task.Delay(50);
                server.Store.Put(pod);
                break;
            case 3: // known long after it is gone
                connect();
                await Task.Delay(1000);
                server.Store.Put(pod);
                await Task.Delay(20);
                break;
            default: // without an address first, and there for a while
                server.Store.Put(pod with { Phase = "Pending", Ips = [] });
                connect();
                await Task.Delay(200);
                server.Store.Put(pod);
                await Task.Delay(1000);
                break;
        }

        server.Store.Delete(pod);
    }

    private static Pod PodOf(int number) => new($"{DeploymentOf(number)}-5d8c7b9f4-{number}")
    {
        Owner = ("ReplicaSet", $"{DeploymentOf(number)}-5d8c7b9f4"), Labels = [("pod-template-hash", "5d8c7b9f4")], Ips = [$"10.88.{number >> 8}.{number & 255}"],
    };

    private static string DeploymentOf(int number) => $"task{number % Deployments}";

    private static string CgroupOf(string kubepods, Pod pod) =>
        $"{kubepods}/kubepods-pod{pod.Uid.Replace('-', '_')}.slice/cri-containerd-{ContainerOf(pod)}.scope";

    private static string ContainerOf(Pod pod)
    {
        var uid = pod.Uid.Replace("-", "", StringComparison.Ordinal);
        return uid + uid;
    }

    // Not more of a workload than its pods did: one that has another's is wrong.
    private static double RightOperations(MetricPage page) => page.Of("sockwatch_socket_operations_total")
        .Where(sample => sample["process_executable_name"] == "one-shot" && sample["workload_namespace"] == "shop" && sample["workload_kind"] == "Deployment" && sample["error_type"] == "")
        .GroupBy(sample => sample["workload_name"])
        .Sum(workload => Math.Min(workload.Sum(sample => sample.Value), OperationsOfPod * Pods / Deployments));

    private static (int Of, int Right) Records(RunningAgent agent, Pod[] pods, string name)
    {
        var byContainer = pods.ToDictionary(ContainerOf);
        var records = agent.Output.Where(line => line.StartsWith('{')).Select(line => JsonDocument.Parse(line).RootElement)
            .Where(record => Text(record, "event.name") == name && byContainer.ContainsKey(Text(record, "container.id"))).ToArray();
        var right = records.Where(record =>
        {
            var pod = byContainer[Text(record, "container.id")];
            return (Text(record, "k8s.pod.uid"), Text(record, "k8s.pod.name"), Text(record, "k8s.namespace.name")) == (pod.Uid, pod.Name, pod.Namespace)
                && $"{Text(record, "k8s.deployment.name")}-5d8c7b9f4" == pod.Owner!.Value.Name;
        });
        return (records.Length, right.Select(record => Text(record, "container.id")).Distinct().Count());
    }

    private static string Text(JsonElement record, string name) => record.TryGetProperty(name, out var value) ? value.GetString()! : "";
}
