using System.Buffers.Text;

namespace Sockwatch.Payload.Protocols;

/// <summary>Protocols that begin with words.</summary>
internal static class TextStarts
{
    private const int MaxNumber = 10;

    private static readonly byte[][] s_redisAnswers = [[.. "+PONG\r\n"u8], [.. "-NOAUTH "u8], [.. "-ERR "u8], [.. "-WRONGPASS "u8]];

    /// <summary>Both sides say who they are, in any order.</summary>
    public static Recognition Ssh(ReadOnlySpan<byte> start, bool fromClient, out RecognisedProtocol? found)
    {
        var match = ProtocolRecogniser.Match(start, "SSH-2.0-"u8);
        if (match == Recognition.Unknown)
        {
            match = ProtocolRecogniser.Match(start, "SSH-1."u8);
        }

        found = match == Recognition.Recognised ? new RecognisedProtocol("ssh", start[4] == (byte)'2' ? "2.0" : "") : null;
        return match;
    }

    /// <summary>A client's command is an array of strings: <c>*2\r\n$4\r\n…</c>. A server's answer alone says too little, but for some.</summary>
    public static Recognition Redis(ReadOnlySpan<byte> start, bool fromClient, out RecognisedProtocol? found)
    {
        found = null;
        if (!fromClient)
        {
            return RedisAnswer(start, out found);
        }

        var array = Number(start, (byte)'*', out var rest);
        if (array != Recognition.Recognised)
        {
            return array;
        }

        var text = Number(rest, (byte)'$', out _);
        found = text == Recognition.Recognised ? new RecognisedProtocol("redis") : null;
        return text;
    }

    private static Recognition RedisAnswer(ReadOnlySpan<byte> start, out RecognisedProtocol? found)
    {
        var state = Recognition.Unknown;
        foreach (var signature in s_redisAnswers)
        {
            var match = ProtocolRecogniser.Match(start, signature);
            state = match > state ? match : state;
        }

        found = state == Recognition.Recognised ? new RecognisedProtocol("redis") : null;
        return state;
    }

    /// <summary>A sign, a number, and the end of the line.</summary>
    private static Recognition Number(ReadOnlySpan<byte> text, byte sign, out ReadOnlySpan<byte> rest)
    {
        rest = default;
        if (text.IsEmpty)
        {
            return Recognition.NeedsMore;
        }

        if (text[0] != sign)
        {
            return Recognition.Unknown;
        }

        var end = text.IndexOf("\r\n"u8);
        if (end < 0)
        {
            var isNumber = text[1..].TrimEnd((byte)'\r').IndexOfAnyExceptInRange((byte)'0', (byte)'9') < 0;
            return isNumber && text.Length <= MaxNumber ? Recognition.NeedsMore : Recognition.Unknown;
        }

        if (!Utf8Parser.TryParse(text[1..end], out uint _, out var digits) || digits != end - 1 || digits > MaxNumber)
        {
            return Recognition.Unknown;
        }

        rest = text[(end + 2)..];
        return Recognition.Recognised;
    }
}
