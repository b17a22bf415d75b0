using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Sockwatch.Configuration;

namespace Sockwatch.Exporters.Otlp;

/// <summary>
/// Stands between the library and the network. The library only says that a request failed; this finds out why, for the
/// counters and for whoever decides about trying again. One request at a time goes through it.
/// </summary>
internal sealed class OtlpWire(HttpMessageHandler network, OtlpSettings settings) : DelegatingHandler(network)
{
    private const int MaxAnswerBytes = 4 * 1024 * 1024;
    private static readonly TimeSpan LongestRetryAfter = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan LeastPingTimeout = TimeSpan.FromSeconds(1); // Less is not taken.

    /// <summary>Of the last request; null when the library sent none, as when it found it too large.</summary>
    public OtlpOutcome? Last { get; set; }

    public static OtlpWire Over(OtlpSettings settings) => new(
        new SocketsHttpHandler
        {
            SslOptions = settings.Trust.Load(),
            ConnectTimeout = settings.Timeout,
            AllowAutoRedirect = false,
            UseCookies = false,

            // A receiver behind a name moves; a connection that is never renewed would stay with its old address.
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            KeepAlivePingDelay = TimeSpan.FromSeconds(30),
            KeepAlivePingTimeout = settings.Timeout > LeastPingTimeout ? settings.Timeout : LeastPingTimeout,
        },
        settings);

    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken) =>
        SendAsync(request, cancellationToken).GetAwaiter().GetResult();

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        // Our own limit covers the answer's body as well, which the library reads without one.
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(settings.Timeout);
        try
        {
            await AuthoriseAsync(request, limit.Token).ConfigureAwait(false);
            var answer = await base.SendAsync(request, limit.Token).ConfigureAwait(false);

            // Trailers, which hold gRPC's status, are there once the body has been read.
            await answer.Content.LoadIntoBufferAsync(MaxAnswerBytes, limit.Token).ConfigureAwait(false);
            Last = await OutcomeOfAsync(answer).ConfigureAwait(false);
            return answer;
        }
        catch (Exception failure)
        {
            // Whatever it looks like from here: a request that is called off breaks in many ways.
            Last = limit.IsCancellationRequested ? OtlpOutcome.Of(new TimeoutException()) : OtlpOutcome.Of(failure);
            if (failure is OperationCanceledException)
            {
                throw new HttpRequestException("no answer in time", failure);
            }

            throw;
        }
    }

    private async Task AuthoriseAsync(HttpRequestMessage request, CancellationToken cancellation)
    {
        if (settings.BearerTokenFile.Length == 0)
        {
            return;
        }

        try
        {
            var token = await File.ReadAllTextAsync(settings.BearerTokenFile, cancellation).ConfigureAwait(false);
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token.Trim());
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or FormatException)
        {
            throw new ConfigurationException($"otlp.bearerTokenFile {settings.BearerTokenFile} cannot be used: {failure.Message}", failure);
        }
    }

    private async Task<OtlpOutcome> OutcomeOfAsync(HttpResponseMessage answer)
    {
        var outcome = OtlpOutcome.Of(answer.StatusCode, RetryAfter(answer));
        var body = await answer.Content.ReadAsByteArrayAsync().ConfigureAwait(false);
        if (settings.Protocol == OtlpProtocol.Grpc && answer.StatusCode == HttpStatusCode.OK)
        {
            var status = Header(answer, "grpc-status");
            if (!int.TryParse(status, NumberStyles.None, CultureInfo.InvariantCulture, out var code))
            {
                return answer.Content.Headers.ContentType?.MediaType?.StartsWith("application/grpc", StringComparison.Ordinal) == true
                    ? new OtlpOutcome(OtlpOutcome.ConnectionLost, "the answer ended without a status", true)
                    : new OtlpOutcome(OtlpOutcome.Protocol, "the answer is not gRPC; see otlp.protocol", false);
            }

            outcome = OtlpOutcome.OfGrpc(code, Uri.UnescapeDataString(Header(answer, "grpc-message") ?? ""), GrpcRetryAfter(answer));
            body = body.Length > GrpcFrameHead ? body[GrpcFrameHead..] : [];
        }

        if (outcome.IsDelivered && settings.Protocol == OtlpProtocol.HttpProtobuf && IsForPeople(answer, body))
        {
            return new OtlpOutcome(OtlpOutcome.Protocol, "the answer is a text, not of a receiver of OTLP; see otlp.endpoint and otlp.protocol", false);
        }

        return outcome.IsDelivered && Protobuf.PartialSuccess(body) is { Rejected: > 0 } partial
            ? new OtlpOutcome(OtlpOutcome.PartialSuccess, partial.Message, false, Rejected: partial.Rejected)
            : outcome;
    }

    // An ordinary web server says 200 to anything. Receivers say protobuf or JSON, and some, with nothing in the answer, neither.
    private static bool IsForPeople(HttpResponseMessage answer, ReadOnlySpan<byte> body) =>
        answer.Content.Headers.ContentType?.MediaType?.StartsWith("text/", StringComparison.OrdinalIgnoreCase) == true || body.StartsWith("<"u8);

    private const int GrpcFrameHead = 5;

    private static TimeSpan? RetryAfter(HttpResponseMessage answer)
    {
        var asked = answer.Headers.RetryAfter switch
        {
            { Delta: { } delta } => delta,
            { Date: { } date } => date - DateTimeOffset.UtcNow,
            _ => (TimeSpan?)null,
        };
        return Bounded(asked);
    }

    // google.rpc.Status in a trailer: details (3) of Any with value (2) that is RetryInfo with retry_delay (1), a Duration.
    private static TimeSpan? GrpcRetryAfter(HttpResponseMessage answer)
    {
        if (Header(answer, "grpc-status-details-bin") is not { } text)
        {
            return null;
        }

        var status = new byte[text.Length];
        var padded = text.PadRight((text.Length + 3) / 4 * 4, '=');
        return Convert.TryFromBase64String(padded, status, out var length) ? Bounded(Protobuf.RetryDelay(status.AsSpan(0, length))) : null;
    }

    private static TimeSpan? Bounded(TimeSpan? asked) =>
        asked is { } time ? TimeSpan.FromTicks(Math.Clamp(time.Ticks, 0, LongestRetryAfter.Ticks)) : null;

    private static string? Header(HttpResponseMessage answer, string name) =>
        answer.TrailingHeaders.TryGetValues(name, out var trailers) ? trailers.First()
        : answer.Headers.TryGetValues(name, out var headers) ? headers.First()
        : null;

    /// <summary>As much of protobuf as answers hold.</summary>
    private static class Protobuf
    {
        /// <summary>Export…ServiceResponse: partial_success (1) with the number rejected (1) and a message (2).</summary>
        public static (long Rejected, string Message) PartialSuccess(ReadOnlySpan<byte> response)
        {
            var partial = Field(response, 1, out _);
            var message = Field(partial, 2, out _);
            Field(partial, 1, out var rejected);
            return ((long)rejected, Encoding.UTF8.GetString(message));
        }

        public static TimeSpan? RetryDelay(ReadOnlySpan<byte> status)
        {
            var any = Field(status, 3, out _);
            if (!Field(any, 1, out _).EndsWith("/google.rpc.RetryInfo"u8))
            {
                return null;
            }

            var delay = Field(Field(any, 2, out _), 1, out _);
            Field(delay, 1, out var seconds);
            Field(delay, 2, out var nanoseconds);
            return TimeSpan.FromSeconds(Math.Min(seconds, 86_400)) + TimeSpan.FromTicks((long)Math.Min(nanoseconds, 1_000_000_000) / 100);
        }

        /// <summary>The first field of that number: its bytes, or its number.</summary>
        private static ReadOnlySpan<byte> Field(ReadOnlySpan<byte> message, int wanted, out ulong number)
        {
            number = 0;
            while (!message.IsEmpty)
            {
                var key = VarInt(ref message);
                var wireType = (int)(key & 7);
                var isWanted = (int)(key >> 3) == wanted;
                switch (wireType)
                {
                    case 0:
                        var value = VarInt(ref message);
                        if (isWanted)
                        {
                            number = value;
                            return default;
                        }

                        break;
                    case 2:
                        var length = (int)Math.Min(VarInt(ref message), (ulong)message.Length);
                        if (isWanted)
                        {
                            return message[..length];
                        }

                        message = message[length..];
                        break;
                    case 1 or 5:
                        message = message[Math.Min(message.Length, wireType == 1 ? 8 : 4)..];
                        break;
                    default:
                        return default;
                }
            }

            return default;
        }

        private static ulong VarInt(ref ReadOnlySpan<byte> message)
        {
            var value = 0UL;
            for (var shift = 0; shift < 64 && !message.IsEmpty; shift += 7)
            {
                var one = message[0];
                message = message[1..];
                value |= (ulong)(one & 0x7f) << shift;
                if (one < 0x80)
                {
                    break;
                }
            }

            return value;
        }
    }
}
