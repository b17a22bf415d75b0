using System.Globalization;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Sockwatch.Diagnostics;
using Sockwatch.Enrichment.Kubernetes.Api;

namespace Sockwatch.Enrichment.Kubernetes;

/// <summary>
/// Keeps the names that the cluster knows: of the pods on this node and, as far as it is asked to, of everybody's addresses. It
/// waits for nobody and nobody for it: what it does not know yet has the name it would have without Kubernetes.
/// </summary>
internal sealed partial class KubernetesNames : BackgroundService
{
    private const string PodsPath = "/api/v1/pods";

    private readonly KubernetesOptions _options;
    private readonly KubernetesApi _api;
    private readonly ApiConnection _connection;
    private readonly ApiPatience _patience;
    private readonly ApiLedger _ledger;
    private readonly LossLedger _losses;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly OwnerLookUp _lookUp;
    private readonly OwnerTable _owners = new();

    public KubernetesNames(
        IOptions<KubernetesOptions> options,
        ApiConnection connection,
        ApiPatience patience,
        ApiLedger ledger,
        LossLedger losses,
        CacheLedger caches,
        TimeProvider time,
        ILogger<KubernetesNames> logger,
        IHostApplicationLifetime? lifetime = null)
    {
        _options = options.Value;
        _connection = connection;
        _patience = patience;
        _ledger = ledger;
        _losses = losses;
        _time = time;
        _logger = logger;
        _api = new KubernetesApi(connection, ledger, patience);
        _lookUp = new OwnerLookUp(_api, patience, time, losses, logger);
        Pods = new LocalPods(_options, _owners, _lookUp.Ask, losses, caches, time);
        Addresses = new AddressBook(_options, _owners, _lookUp.Ask, losses, caches, time);

        // Before the exporters' last word.
        lifetime?.ApplicationStopping.Register(() =>
        {
            Pods.StopWaiting();
            Addresses.StopWaiting();
        });
    }

    public LocalPods Pods { get; }

    public AddressBook Addresses { get; }

    public override void Dispose()
    {
        _connection.Dispose();
        base.Dispose();
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken)
    {
        Log.Follows(_logger, _options.NodeName, _options.Scope.ToString().ToLowerInvariant());
        var node = Uri.EscapeDataString(_options.NodeName);
        var hasAddresses = _options.Scope != KubernetesScope.Off;
        var ownAddresses = hasAddresses ? Addresses.Source() : null;
        List<Task> work =
        [
            _lookUp.RunAsync(stoppingToken),
            Follow(
                new ApiResource("node_pods", PodsPath, $"spec.nodeName%3D{node}"),
                ApiJson.Default.NodePod, new NodePodSink(Pods, ownAddresses), () => Pods.Count, stoppingToken),
        ];
        if (hasAddresses)
        {
            var own = Addresses.Source();
            work.Add(Follow(
                new ApiResource("services", "/api/v1/services"),
                ApiJson.Default.ServiceObject, new ServiceSink(own, Addresses.Source()), () => own.Count, stoppingToken));
        }

        if (_options.Scope == KubernetesScope.Cluster)
        {
            var nodes = Addresses.Source();
            work.Add(Follow(
                new ApiResource("nodes", "/api/v1/nodes"), ApiJson.Default.NodeObject, new NodeSink(nodes), () => nodes.Count, stoppingToken));

            // Pods that have ended have no address any more, and those of this node are followed already.
            var pods = Addresses.Source();
            var others = Uri.EscapeDataString($"status.phase!=Succeeded,status.phase!=Failed,spec.nodeName!={_options.NodeName}");
            work.Add(Follow(
                new ApiResource("cluster_pods", PodsPath, others), ApiJson.Default.ClusterPod, new ClusterPodSink(pods), () => pods.Count, stoppingToken));
        }

        return Task.WhenAll(work);
    }

    private Task Follow<T>(ApiResource resource, JsonTypeInfo<T> type, IResourceSink<T> sink, Func<long> count, CancellationToken stopping)
        where T : class, IApiObject
    {
        _ledger.Follow(resource.Name, count);
        var watch = new ResourceWatch<T>(resource, _api, type, sink, _patience, _ledger, _losses, _time, _logger);
        return Task.Run(() => watch.RunAsync(stopping), CancellationToken.None);
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Names come from Kubernetes: pods of node {Node}, addresses of scope {Scope}")]
        public static partial void Follows(ILogger logger, string node, string scope);
    }
}
