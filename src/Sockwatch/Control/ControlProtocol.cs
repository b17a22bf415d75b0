using System.Text.Json.Serialization.Metadata;

namespace Sockwatch.Control;

/// <summary>
/// What goes over the control socket. A frame is a length (32 bits, big-endian, of what follows it), a kind (one byte) and a body:
/// JSON, or for the items of some streams lines of text. A connection begins with the request "hello", which settles the version;
/// then comes one request at a time. One for a stream is answered by items until its end, which the client may ask for.
/// </summary>
internal static class ControlProtocol
{
    /// <summary>Goes up when an old client would misunderstand a new agent; what is only added keeps it.</summary>
    public const int Version = 1;

    public const int HeaderBytes = 5;

    /// <summary>The biggest frame that a client may send.</summary>
    public const int MaxRequestBytes = 64 * 1024;

    /// <summary>The biggest frame that an agent sends.</summary>
    public const int MaxAnswerBytes = 1024 * 1024;

    public static string SocketPath(string stateDirectory) => Path.Combine(stateDirectory, "control.sock");
}

internal enum FrameKind : byte
{
    /// <summary>By the client: a <see cref="ControlEnvelope"/>.</summary>
    Request = (byte)'Q',

    /// <summary>By the client: no more items, please. An end follows, after what is under way.</summary>
    Stop = (byte)'S',

    /// <summary>The one answer to a request.</summary>
    Reply = (byte)'R',

    /// <summary>A <see cref="ControlError"/> instead of a reply, or instead of the end of a stream.</summary>
    Error = (byte)'E',

    Item = (byte)'I',

    /// <summary>A <see cref="StreamLosses"/> in the course of a stream: items that the client was too slow for.</summary>
    Dropped = (byte)'D',

    /// <summary>After the last item of a stream; its body sums it up.</summary>
    End = (byte)'Z',
}

/// <summary>A request with one reply, as both sides know it.</summary>
internal sealed record ControlRequest<TArguments, TReply>(
    string Name, JsonTypeInfo<TArguments> Arguments, JsonTypeInfo<TReply> Reply);

/// <summary>A request with a stream of items; text when <paramref name="Item"/> is null.</summary>
internal sealed record ControlStreamRequest<TArguments, TItem, TEnd>(
    string Name, JsonTypeInfo<TArguments> Arguments, JsonTypeInfo<TItem>? Item, JsonTypeInfo<TEnd> End);

/// <summary>Why a request was not served; the message is for people, one line, with the way out.</summary>
internal sealed class ControlException(string code, string message) : Exception(message)
{
    public string Code { get; } = code;
}

/// <summary>The codes of a <see cref="ControlError"/>.</summary>
internal static class ControlErrors
{
    public const string BadArgument = "bad_argument";
    public const string Failed = "failed";
    public const string Malformed = "malformed";
    public const string NotPermitted = "not_permitted";
    public const string TimedOut = "timed_out";
    public const string TooBig = "too_big";
    public const string TooMany = "too_many";
    public const string UnknownRequest = "unknown_request";
    public const string Version = "version";

    /// <summary>Those for which a client is let go, as against a request that is answered with an error.</summary>
    public static readonly IReadOnlyList<string> Refusals = [Malformed, NotPermitted, TimedOut, TooBig, TooMany, Version];
}
