using System.Net;

namespace Sockwatch.Enrichment.Kubernetes.Api;

/// <summary>The API server said no, or something that is no answer.</summary>
internal sealed class ApiException(string message, HttpStatusCode status, TimeSpan? retryAfter = null, Exception? inner = null)
    : Exception(message, inner)
{
    public HttpStatusCode Status => status;

    /// <summary>What the server asked for.</summary>
    public TimeSpan? RetryAfter => retryAfter;

    /// <summary>The version is too old to go on from: only a new list helps.</summary>
    public bool IsGone { get; init; } = status == HttpStatusCode.Gone;

    /// <summary>Asking again soon does not help; somebody has to grant the right.</summary>
    public bool IsRefused => status == HttpStatusCode.Forbidden;
}
