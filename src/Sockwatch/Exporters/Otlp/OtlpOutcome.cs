using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using Sockwatch.Configuration;

namespace Sockwatch.Exporters.Otlp;

/// <summary>How one request ended.</summary>
/// <param name="Reason">One of <see cref="Reasons"/>; empty when it was delivered.</param>
/// <param name="Detail">For people; one line.</param>
/// <param name="IsRetryable">Whether the same request may succeed later.</param>
/// <param name="RetryAfter">How long the receiver asks to be left alone.</param>
/// <param name="Rejected">Items the receiver took the request without.</param>
internal sealed record OtlpOutcome(string Reason, string Detail, bool IsRetryable, TimeSpan? RetryAfter = null, long Rejected = 0)
{
    public const string Refused = "connection_refused";
    public const string Dns = "dns";
    public const string Tls = "tls";
    public const string TimedOut = "timed_out";
    public const string ConnectionLost = "connection_lost";
    public const string Unreachable = "unreachable";
    public const string Throttled = "throttled";
    public const string Unavailable = "unavailable";
    public const string NotAllowed = "not_allowed";
    public const string RejectedRequest = "rejected";
    public const string Protocol = "protocol";
    public const string TooLarge = "too_large";
    public const string PartialSuccess = "partial_success";

    public static readonly OtlpOutcome Delivered = new("", "", false);

    public static readonly string[] Reasons =
    [
        Refused, Dns, Tls, TimedOut, ConnectionLost, Unreachable, Throttled, Unavailable, NotAllowed, RejectedRequest, Protocol, TooLarge,
        PartialSuccess,
    ];

    public bool IsDelivered => Reason.Length == 0;

    /// <summary>The receiver has it, all or what it wanted of it; sending it again would count it twice.</summary>
    public bool WasTaken => IsDelivered || Reason == PartialSuccess;

    /// <summary>Of two requests of one push, what is to be told of it.</summary>
    public static OtlpOutcome Worse(OtlpOutcome one, OtlpOutcome other) =>
        !one.WasTaken ? one : !other.WasTaken ? other : one.IsDelivered ? other : one;

    public static OtlpOutcome Of(Exception failure)
    {
        // HTTP/2 calls an end of the connection a violation of the protocol, with the true cause inside.
        for (var cause = failure; cause is not null; cause = cause.InnerException)
        {
            if (cause is HttpIOException { HttpRequestError: HttpRequestError.ResponseEnded })
            {
                return new(ConnectionLost, "the connection broke", true);
            }
        }

        for (var cause = failure; cause is not null; cause = cause.InnerException)
        {
            switch (cause)
            {
                case ConfigurationException:
                    return new(NotAllowed, Text(cause), true);
                case OperationCanceledException or TimeoutException:
                    return new(TimedOut, "no answer in time", true);
                case AuthenticationException:
                    return new(Tls, Text(cause), true);
                case SocketException { SocketErrorCode: SocketError.ConnectionRefused }:
                    return new(Refused, "connection refused", true);
                case SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain }:
                    return new(Dns, "the name is not known", true);
                case SocketException { SocketErrorCode: SocketError.TimedOut }:
                    return new(TimedOut, "no answer in time", true);
                case SocketException { SocketErrorCode: SocketError.ConnectionReset or SocketError.ConnectionAborted or SocketError.Shutdown }:
                    return new(ConnectionLost, "the connection broke", true);
                case SocketException:
                    return new(Unreachable, Text(cause), true);
                case HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError }:
                    return new(Dns, "the name is not known", true);
                case HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError, InnerException: null }:
                    return new(Tls, Text(cause), true);
                case HttpRequestException
                {
                    HttpRequestError: HttpRequestError.InvalidResponse or HttpRequestError.HttpProtocolError or HttpRequestError.VersionNegotiationError
                }:
                    return new(Protocol, $"it does not speak what otlp.protocol says: {Text(cause)}", true);
                case HttpRequestException { HttpRequestError: HttpRequestError.ResponseEnded } or IOException { InnerException: null }:
                    return new(ConnectionLost, "the connection broke", true);
            }
        }

        return new(ConnectionLost, Text(failure), true);
    }

    public static OtlpOutcome Of(HttpStatusCode status, TimeSpan? retryAfter) => status switch
    {
        >= HttpStatusCode.OK and < HttpStatusCode.MultipleChoices => Delivered,
        HttpStatusCode.TooManyRequests => new(Throttled, "429 Too Many Requests", true, retryAfter),
        HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout =>
            new(Unavailable, $"{(int)status} {status}", true, retryAfter),
        HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => new(NotAllowed, $"{(int)status} {status}; see otlp.headers", false),
        HttpStatusCode.RequestEntityTooLarge => new(TooLarge, $"{(int)status} {status}", false),
        HttpStatusCode.NotFound or HttpStatusCode.UnsupportedMediaType or HttpStatusCode.MethodNotAllowed =>
            new(Protocol, $"{(int)status} {status}; see otlp.endpoint and otlp.protocol", false),
        _ => new(RejectedRequest, $"{(int)status} {status}", false),
    };

    /// <param name="code">As in the trailer grpc-status.</param>
    public static OtlpOutcome OfGrpc(int code, string message, TimeSpan? retryAfter) => code switch
    {
        0 => Delivered,

        // Resource exhausted may be tried again only if the receiver says when; without that, the request is at fault.
        8 when retryAfter is not null => new(Throttled, $"resource exhausted: {message}", true, retryAfter),
        8 => new(TooLarge, $"resource exhausted: {message}", false),
        4 => new(TimedOut, $"deadline exceeded: {message}", true),
        14 => new(Unavailable, $"unavailable: {message}", true, retryAfter),
        1 or 10 or 11 or 15 => new(Unavailable, $"gRPC status {code}: {message}", true, retryAfter),
        7 or 16 => new(NotAllowed, $"gRPC status {code}: {message}; see otlp.headers", false),
        12 => new(Protocol, $"unimplemented: {message}; see otlp.endpoint and otlp.protocol", false),
        _ => new(RejectedRequest, $"gRPC status {code}: {message}", false),
    };

    private static string Text(Exception failure) => Diagnostics.PrintableText.Of(failure);
}
