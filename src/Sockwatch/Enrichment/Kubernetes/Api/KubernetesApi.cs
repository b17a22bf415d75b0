using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using k8s.Exceptions;
using Sockwatch.Diagnostics;

namespace Sockwatch.Enrichment.Kubernetes.Api;

/// <summary>The three questions asked of the API server: a list, a watch, and one object's metadata. Every request is counted.</summary>
internal sealed class KubernetesApi(ApiConnection connection, ApiLedger ledger, ApiPatience patience)
{
    private const int MaxFailureText = 64 * 1024;

    /// <summary>One page of a list, or all of it: the server decides.</summary>
    public async Task<ListMetadata> ListAsync(ApiResource resource, string query, JsonItem onItem, CancellationToken cancellation)
    {
        var items = new ListItems(onItem);
        await AskAsync(resource.Name, "list", $"{resource.Path}?{query}", ApiMedia.Json, async response =>
        {
            var body = await response.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
            await items.ReadAsync(body, patience.Silence, cancellation).ConfigureAwait(false);
        }, cancellation).ConfigureAwait(false);
        return items.Metadata;
    }

    /// <summary>Ends when the server ends the watch, as it does after <paramref name="length"/>.</summary>
    public async Task WatchAsync(ApiResource resource, string query, TimeSpan length, JsonItem onEvent, Action onOpen, CancellationToken cancellation)
    {
        // A watch may be silent for all of its length; dead connections are found by keep-alive.
        using var whole = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        whole.CancelAfter(length + patience.Silence);
        var seconds = ((int)length.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        try
        {
            await AskAsync(resource.Name, "watch", $"{resource.Path}?{query}&watch=true&timeoutSeconds={seconds}", ApiMedia.Json, async response =>
            {
                onOpen();
                var body = await response.Content.ReadAsStreamAsync(whole.Token).ConfigureAwait(false);
                await new WatchItems(onEvent).ReadAsync(body, length + patience.Silence, whole.Token).ConfigureAwait(false);
            }, whole.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException failure) when (!cancellation.IsCancellationRequested)
        {
            throw new ApiException("the server did not end the watch when it should have", HttpStatusCode.RequestTimeout, inner: failure);
        }
    }

    /// <summary>The controller of one object; null when it has none, or is no more.</summary>
    public async Task<OwnerReference?> ControllerAsync(string resource, string path, CancellationToken cancellation)
    {
        OwnerReference? controller = null;
        try
        {
            await AskAsync(resource, "get", path, ApiMedia.MetadataOnly, async response =>
            {
                using var wait = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
                wait.CancelAfter(patience.Silence);
                var text = await response.Content.ReadAsByteArrayAsync(wait.Token).ConfigureAwait(false);
                controller = TopOwner.Controller(ApiText.Read(text, ApiJson.Default.OwnedObject)?.Metadata?.OwnerReferences);
            }, cancellation).ConfigureAwait(false);
        }
        catch (ApiException gone) when (gone.Status == HttpStatusCode.NotFound)
        {
            // Deleted in the meantime.
        }

        return controller;
    }

    private async Task AskAsync(
        string resource, string verb, string path, MediaTypeWithQualityHeaderValue accept, Func<HttpResponseMessage, Task> read, CancellationToken cancellation)
    {
        ApiConnection.Line? line = null;
        try
        {
            line = connection.Take();
            using var request = new HttpRequestMessage(HttpMethod.Get, line.Url(path));
            request.Headers.Accept.Add(accept);
            using var response = await SendAsync(line, request, cancellation).ConfigureAwait(false);
            ledger.CountRequest(resource, verb, ((int)response.StatusCode).ToString(CultureInfo.InvariantCulture));
            if (!response.IsSuccessStatusCode)
            {
                throw await FailureAsync(response, cancellation).ConfigureAwait(false);
            }

            await read(response).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is not ApiException && !cancellation.IsCancellationRequested)
        {
            Renew(line);
            throw Readable(failure, resource, verb);
        }
        catch (ApiException failure) when (failure.Status is HttpStatusCode.Unauthorized or HttpStatusCode.RequestTimeout)
        {
            Renew(line);
            throw;
        }
        finally
        {
            line?.Dispose();
        }
    }

    private async Task<HttpResponseMessage> SendAsync(ApiConnection.Line line, HttpRequestMessage request, CancellationToken cancellation)
    {
        using var headers = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        headers.CancelAfter(patience.Silence);
        try
        {
            return await line.SendAsync(request, headers.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException failure) when (!cancellation.IsCancellationRequested)
        {
            throw new TimeoutException($"no answer within {patience.Silence.TotalSeconds:0} s", failure);
        }
    }

    private void Renew(ApiConnection.Line? line)
    {
        if (line is not null)
        {
            connection.Renew(line);
        }
    }

    private ApiException Readable(Exception failure, string resource, string verb)
    {
        // Not what the network or the files gave: a mistake of ours, which should be seen as one.
        if (failure is not (HttpRequestException or IOException or TimeoutException or KubeConfigException or UnauthorizedAccessException
            or System.Security.Cryptography.CryptographicException or FormatException or OperationCanceledException or InvalidDataException
            or System.Security.Authentication.AuthenticationException))
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }

        ledger.CountRequest(resource, verb, failure is HttpRequestException or TimeoutException or IOException ? "unreachable" : "failed");
        return new ApiException(failure.InnerException is { } inner ? $"{failure.Message} {inner.Message}" : failure.Message, 0, inner: failure);
    }

    private static async Task<ApiException> FailureAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        var text = new byte[MaxFailureText];
        var length = 0;
        try
        {
            var body = await response.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
            length = await body.ReadAtLeastAsync(text, text.Length, throwOnEndOfStream: false, cancellation).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException or HttpRequestException)
        {
            // The code says enough.
        }

        var retryAfter = response.Headers.RetryAfter;
        var wait = retryAfter?.Delta ?? (retryAfter?.Date is { } date ? date - DateTimeOffset.UtcNow : null);
        return Failure(response.StatusCode, ApiText.Read(text.AsSpan(0, length), ApiJson.Default.ApiStatus), wait);
    }

    /// <summary>What a status says: in answer to a request, or in the middle of a watch.</summary>
    public static ApiException Failure(HttpStatusCode code, ApiStatus? status, TimeSpan? wait)
    {
        if (wait is null && status?.Details?.RetryAfterSeconds is > 0 and var seconds)
        {
            wait = TimeSpan.FromSeconds(seconds);
        }

        // A version from before the server's data were restored is as useless as one that is too old.
        var isOfTheFuture = status?.Details?.Causes?.Exists(cause => cause.Reason == "ResourceVersionTooLarge") == true;
        var message = PrintableText.Of(status?.Message is { Length: > 0 } said ? said : $"HTTP {(int)code}", 300);
        return new ApiException(message, code, wait) { IsGone = code == HttpStatusCode.Gone || isOfTheFuture };
    }

    private static class ApiMedia
    {
        public static readonly MediaTypeWithQualityHeaderValue Json = new("application/json");

        public static readonly MediaTypeWithQualityHeaderValue MetadataOnly =
            MediaTypeWithQualityHeaderValue.Parse("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
    }
}

/// <summary>How long an answer may take to begin, or to go on.</summary>
internal sealed record ApiPatience(TimeSpan Silence, TimeSpan ShortestWatch, TimeSpan LongestWatch, TimeSpan FirstPause, TimeSpan LongestPause)
{
    public static readonly ApiPatience Usual = new(
        TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(10), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(30));

    /// <summary>After a refusal, which only an administrator can change.</summary>
    public TimeSpan RefusedPause { get; init; } = TimeSpan.FromMinutes(1);
}

/// <summary>Something to list and to watch.</summary>
/// <param name="Name">Of metrics and log lines.</param>
/// <param name="Selector">fieldSelector, already escaped; may be empty.</param>
internal sealed record ApiResource(string Name, string Path, string Selector = "");
