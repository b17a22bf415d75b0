using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Sockwatch.Diagnostics;
using Sockwatch.Enrichment.Kubernetes.Api;

namespace Sockwatch.Enrichment.Kubernetes;

/// <summary>
/// Asks for the controllers of the few objects whose owner the pods do not tell, metadata only, never more than so many a second.
/// What finds no room to wait keeps its first name, and is asked for again when it is met again.
/// </summary>
internal sealed partial class OwnerLookUp(KubernetesApi api, ApiPatience patience, TimeProvider time, LossLedger losses, ILogger logger)
{
    /// <summary>At most one request in this time, on the average.</summary>
    public static readonly TimeSpan Spacing = TimeSpan.FromMilliseconds(200);

    private const int Room = 1024;
    private const int MaxRemembered = 8192;
    private const int Attempts = 5;

    private readonly Channel<Owner> _waiting = Channel.CreateBounded<Owner>(new BoundedChannelOptions(Room) { SingleReader = true });
    private readonly ConcurrentDictionary<Owner, byte> _asked = new();
    private readonly BoundedCache<string, Workload> _remembered = new(MaxRemembered);
    private bool _isRefusalLogged;

    public void Ask(Owner owner)
    {
        if (owner.IsSettled || !_asked.TryAdd(owner, 0))
        {
            return;
        }

        if (!_waiting.Writer.TryWrite(owner))
        {
            _asked.TryRemove(owner, out _);
            losses.Add(LossLedger.EnrichmentStage, LossLedger.LookUpsFull);
        }
    }

    public async Task RunAsync(CancellationToken cancellation)
    {
        try
        {
            await foreach (var owner in _waiting.Reader.ReadAllAsync(cancellation).ConfigureAwait(false))
            {
                await SettleAsync(owner, cancellation).ConfigureAwait(false);
                _asked.TryRemove(owner, out _);
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private async Task SettleAsync(Owner owner, CancellationToken cancellation)
    {
        var path = owner.LookUp!;
        if (_remembered.TryGet(path, out var known))
        {
            owner.Settle(known);
            return;
        }

        var pause = new RetryPause(patience, time, Random.Shared);
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            try
            {
                var controller = await api.ControllerAsync(ResourceOf(path), path, cancellation).ConfigureAwait(false);
                var workload = controller is { Kind: { Length: > 0 } kind, Name: { Length: > 0 } name }
                    ? new Workload(owner.FirstName.Namespace, TopOwner.Short(kind), TopOwner.Short(name))
                    : owner.FirstName;
                _remembered.Add(path, workload);
                owner.Settle(workload);
                await Task.Delay(Spacing, time, cancellation).ConfigureAwait(false);
                return;
            }
            catch (ApiException refused) when (refused.IsRefused)
            {
                LogRefusal(refused, path);
                owner.Settle(null);
                return;
            }
            catch (ApiException failure)
            {
                await pause.WaitAsync(failure, cancellation).ConfigureAwait(false);
            }
        }
    }

    private void LogRefusal(ApiException refused, string path)
    {
        if (!_isRefusalLogged)
        {
            Log.Refused(logger, ResourceOf(path), PrintableText.Of(refused.Message));
            _isRefusalLogged = true;
        }
    }

    private static string ResourceOf(string path) => path.Contains("/replicasets/", StringComparison.Ordinal) ? "replicasets" : "jobs";

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "The API server does not let the agent get {Resource}: {Reason}. Some owners are named by them and not by what owns them")]
        public static partial void Refused(ILogger logger, string resource, string reason);
    }
}
