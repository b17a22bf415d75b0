using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.Logging;
using Sockwatch.Diagnostics;

namespace Sockwatch.Enrichment.Kubernetes.Api;

/// <summary>Takes what is known of a resource. Called by one task at a time.</summary>
internal interface IResourceSink<in T>
{
    /// <summary>A list begins: what it does not name by <see cref="EndList"/> is gone.</summary>
    void BeginList();

    void Put(T item);

    void Remove(T item);

    void EndList();
}

/// <summary>
/// Follows a resource: lists it once, out of the server's cache, then watches from there for as long as the server remembers
/// where we were. What is known stays known, whatever happens to the server.
/// </summary>
internal sealed partial class ResourceWatch<T>(
    ApiResource resource,
    KubernetesApi api,
    JsonTypeInfo<T> type,
    IResourceSink<T> sink,
    ApiPatience patience,
    ApiLedger ledger,
    LossLedger losses,
    TimeProvider time,
    ILogger logger)
    where T : class, IApiObject
{
    public const string Gone = "gone";
    public const string Failed = "failed";
    public const string Ended = "ended";

    private const int PageLength = 500;

    private readonly Random _random = new();
    private readonly RetryPause _pause = new(patience, time, new Random());
    private string? _version;
    private bool _isConsistentListNeeded;
    private bool _isLost;
    private bool _wasGone;
    private bool _wasEverListed;
    private bool _sawEvent;
    private int _listed;

    public async Task RunAsync(CancellationToken cancellation)
    {
        foreach (var reason in (string[])[Gone, Failed, Ended])
        {
            ledger.AnnounceRestart(resource.Name, reason);
        }

        try
        {
            while (true)
            {
                await StepAsync(cancellation).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "A mistake of ours costs what is new, never all names that are to come.")]
    private async Task StepAsync(CancellationToken cancellation)
    {
        try
        {
            if (_version is null)
            {
                await ListAsync(cancellation).ConfigureAwait(false);
            }

            var began = time.GetTimestamp();
            await WatchAsync(cancellation).ConfigureAwait(false);
            ledger.CountRestart(resource.Name, Ended);
            if (!_sawEvent && time.GetElapsedTime(began) < TimeSpan.FromSeconds(1))
            {
                // Something in between ends what it should carry; asking at once would be asking without end.
                await _pause.WaitAsync(null, cancellation).ConfigureAwait(false);
            }
        }
        catch (ApiException failure) when (failure.IsGone)
        {
            ledger.CountRestart(resource.Name, Gone);
            ledger.SetCurrent(resource.Name, isCurrent: false);
            if (!_wasGone)
            {
                // The server answers again: what the silence before grew to is paid already.
                _pause.Reset();
                _wasGone = true;
            }

            // A cache that is behind the watch would send us in circles.
            _isConsistentListNeeded = _version is not null && !_sawEvent;
            _version = null;
            await _pause.WaitAsync(failure, cancellation).ConfigureAwait(false);
        }
        catch (ApiException failure)
        {
            ledger.CountRestart(resource.Name, Failed);
            Lost(failure);
            if (failure.Status is HttpStatusCode.BadRequest or HttpStatusCode.UnprocessableEntity)
            {
                _version = null;
            }

            await _pause.WaitAsync(failure, cancellation).ConfigureAwait(false);
        }
        catch (Exception failure) when (!cancellation.IsCancellationRequested)
        {
            ledger.CountRestart(resource.Name, Failed);
            ledger.SetCurrent(resource.Name, isCurrent: false);
            Log.Mistaken(logger, failure, resource.Name);
            _isLost = true;
            _version = null;
            await _pause.WaitAsync(null, cancellation).ConfigureAwait(false);
        }
    }

    private async Task ListAsync(CancellationToken cancellation)
    {
        // Out of the server's cache, which costs it least, and in pages where it has them.
        var start = _isConsistentListNeeded ? "" : "&resourceVersion=0";
        _isConsistentListNeeded = false;
        _sawEvent = false;
        _listed = 0;
        sink.BeginList();
        var page = await PageAsync($"limit={PageLength}{start}", cancellation).ConfigureAwait(false);
        while (page.Continue is { Length: > 0 } next)
        {
            page = await PageAsync($"limit={PageLength}&continue={Uri.EscapeDataString(next)}", cancellation).ConfigureAwait(false);
        }

        sink.EndList();
        _version = page.ResourceVersion is { Length: > 0 } version ? version : "0";
        _pause.Reset();
        _wasGone = false;
        if (!_wasEverListed)
        {
            Log.Listed(logger, resource.Name, _listed);
            _wasEverListed = true;
        }

        Found();
    }

    private Task<ListMetadata> PageAsync(string query, CancellationToken cancellation) =>
        api.ListAsync(resource, Selected(query), Listed, cancellation);

    private async Task WatchAsync(CancellationToken cancellation)
    {
        _sawEvent = false;
        var length = patience.ShortestWatch + ((patience.LongestWatch - patience.ShortestWatch) * _random.NextDouble());
        var query = Selected($"allowWatchBookmarks=true&resourceVersion={Uri.EscapeDataString(_version!)}");
        await api.WatchAsync(resource, query, length, Happened, Found, cancellation).ConfigureAwait(false);
    }

    private string Selected(string query) => resource.Selector.Length > 0 ? $"{query}&fieldSelector={resource.Selector}" : query;

    private void Listed(ReadOnlySpan<byte> json)
    {
        if (Read(json) is { } item)
        {
            sink.Put(item);
            _listed++;
        }
    }

    private void Happened(ReadOnlySpan<byte> json)
    {
        var happened = WatchEvent.Parse(json);
        if (happened.Kind == WatchEventKind.Error)
        {
            var status = ApiText.Read(happened.Object, ApiJson.Default.ApiStatus);
            throw KubernetesApi.Failure((HttpStatusCode)(status?.Code ?? 0), status, wait: null);
        }

        if (happened.Kind == WatchEventKind.Unknown || Read(happened.Object) is not { } item)
        {
            return;
        }

        switch (happened.Kind)
        {
            case WatchEventKind.Added or WatchEventKind.Modified:
                sink.Put(item);
                break;
            case WatchEventKind.Deleted:
                sink.Remove(item);
                break;
        }

        _version = item.Metadata?.ResourceVersion is { Length: > 0 } version ? version : _version;
        _sawEvent = true;
        _pause.Reset();
    }

    private T? Read(ReadOnlySpan<byte> json)
    {
        var item = ApiText.Read(json, type);
        if (item is null)
        {
            losses.Add(LossLedger.EnrichmentStage, LossLedger.UnreadableObjects);
        }

        return item;
    }

    private void Found()
    {
        ledger.SetCurrent(resource.Name, isCurrent: true);
        if (_isLost)
        {
            Log.Recovered(logger, resource.Name);
            _isLost = false;
        }
    }

    private void Lost(ApiException failure)
    {
        ledger.SetCurrent(resource.Name, isCurrent: false);
        if (_isLost)
        {
            return;
        }

        _isLost = true;
        if (failure.IsRefused)
        {
            Log.Refused(logger, resource.Name, PrintableText.Of(failure.Message), resource.Path[(resource.Path.LastIndexOf('/') + 1)..]);
        }
        else
        {
            Log.Unreachable(logger, resource.Name, PrintableText.Of(failure.Message));
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Names from Kubernetes: {Count} {Resource}")]
        public static partial void Listed(ILogger logger, string resource, int count);

        [LoggerMessage(LogLevel.Warning, "The API server does not answer for {Resource}: {Reason}. Names are those of before; it is tried again")]
        public static partial void Unreachable(ILogger logger, string resource, string reason);

        [LoggerMessage(LogLevel.Warning, "The API server does not let the agent see {Resource}: {Reason}. Grant its service account the verbs list and watch of {Kind}")]
        public static partial void Refused(ILogger logger, string resource, string reason, string kind);

        [LoggerMessage(LogLevel.Error, "The {Resource} of the cluster cannot be followed, by a mistake of the agent's. Names are those of before; all are listed again")]
        public static partial void Mistaken(ILogger logger, Exception failure, string resource);

        [LoggerMessage(LogLevel.Information, "The API server answers for {Resource} again")]
        public static partial void Recovered(ILogger logger, string resource);
    }
}
