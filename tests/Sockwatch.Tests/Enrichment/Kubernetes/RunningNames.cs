using System.Net;
using k8s;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Sockwatch.Diagnostics;
using Sockwatch.Enrichment;
using Sockwatch.Enrichment.Kubernetes;
using Sockwatch.Enrichment.Kubernetes.Api;
using Sockwatch.Kernel;
using Sockwatch.Tests.Enrichment.Kubernetes.Server;

namespace Sockwatch.Tests.Enrichment.Kubernetes;

/// <summary>The names of one node's agent, kept from a server that a test made.</summary>
internal sealed class RunningNames : IAsyncDisposable
{
    public static readonly ApiPatience Hasty = new(
        Silence: TimeSpan.FromSeconds(2),
        ShortestWatch: TimeSpan.FromSeconds(20),
        LongestWatch: TimeSpan.FromSeconds(40),
        FirstPause: TimeSpan.FromMilliseconds(20),
        LongestPause: TimeSpan.FromMilliseconds(200)) { RefusedPause = TimeSpan.FromMilliseconds(100) };

    private RunningNames(KubernetesOptions options, Func<KubernetesClientConfiguration> access, ApiPatience patience, ILogger<KubernetesNames>? logger)
    {
        Names = new KubernetesNames(
            Options.Create(options), new ApiConnection(access, "sockwatch/test"), patience, Ledger, Losses, Caches, TimeProvider.System,
            logger ?? NullLogger<KubernetesNames>.Instance);
    }

    public ApiLedger Ledger { get; } = new();

    public LossLedger Losses { get; } = new();

    public CacheLedger Caches { get; } = new();

    public KubernetesNames Names { get; }

    public static KubernetesOptions OptionsOf(KubernetesScope scope = KubernetesScope.Cluster, string node = "node-1") => new() { NodeName = node, Scope = scope };

    public static Task<RunningNames> StartAsync(ApiServer server, KubernetesScope scope = KubernetesScope.Cluster, ApiPatience? patience = null, bool wait = true)
    {
        var url = server.Url.ToString();
        return StartAsync(OptionsOf(scope), () => new KubernetesClientConfiguration { Host = url }, patience, wait);
    }

    public static async Task<RunningNames> StartAsync(
        KubernetesOptions options, Func<KubernetesClientConfiguration> access, ApiPatience? patience = null, bool wait = true, ILogger<KubernetesNames>? logger = null)
    {
        var running = new RunningNames(options, access, patience ?? Hasty, logger);
        await running.Names.StartAsync(CancellationToken.None);
        if (wait)
        {
            await running.UntilAsync(() => running.IsCurrent, "everything is listed");
        }

        return running;
    }

    public bool IsCurrent => Ledger.Followed() is { Count: > 0 } followed && followed.All(one => one.IsCurrent);

    public long Restarts(string reason) => Ledger.Restarts().Where(one => one.Reason == reason).Sum(one => one.Count);

    public LocalPod? Pod(Pod pod, string? container = null) =>
        Names.Pods.Find(new CgroupName(container, pod.Uid, null, ""), out _);

    public string? Peer(string address, DateTimeOffset? at = null) =>
        Names.Addresses.Find(Some.Edge(address), at ?? DateTimeOffset.UtcNow, out _) is { } peer
            ? $"{peer.Class} {peer.Workload.Namespace}/{peer.Workload.Kind}/{peer.Workload.Name}"
            : null;

    public async Task UntilAsync(Func<bool> condition, string what, int seconds = 20)
    {
        var until = DateTimeOffset.UtcNow.AddSeconds(seconds);
        while (!condition())
        {
            Assert.True(DateTimeOffset.UtcNow < until, $"{what} within {seconds} s; {string.Join("; ", Ledger.Requests())}; {string.Join("; ", Ledger.Restarts())}; {Names.ExecuteTask?.Exception}");
            await Task.Delay(10);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Names.StopAsync(CancellationToken.None);
        Names.Dispose();
    }
}
