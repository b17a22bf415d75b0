using System.Buffers.Binary;

namespace Sockwatch.Payload.Protocols;

/// <summary>DNS by the shape of its first message: a header that makes sense, and a question that can be one.</summary>
internal static class DnsStart
{
    private const int Header = 12;
    private const int MaxName = 255;
    private const int MaxLabel = 63;

    /// <summary>Over TCP, each message begins with its length.</summary>
    public static Recognition OverTcp(ReadOnlySpan<byte> start, bool fromClient, out RecognisedProtocol? found)
    {
        found = null;
        if (start.Length < 2)
        {
            return Recognition.NeedsMore;
        }

        var length = BinaryPrimitives.ReadUInt16BigEndian(start);
        if (length < Header + 5)
        {
            return Recognition.Unknown;
        }

        var message = start[2..Math.Min(start.Length, 2 + length)];
        found = Message(message);
        return found is not null ? Recognition.Recognised
            : message.Length < Math.Min((int)length, Header + MaxName + 4) && IsHeader(message) ? Recognition.NeedsMore
            : Recognition.Unknown;
    }

    /// <summary>A question or an answer; null when it is neither.</summary>
    public static RecognisedProtocol? Message(ReadOnlySpan<byte> message) =>
        message.Length >= Header && IsHeader(message) && IsQuestion(message[Header..]) ? new RecognisedProtocol("dns") : null;

    private static bool IsHeader(ReadOnlySpan<byte> message)
    {
        if (message.Length < Header)
        {
            return true;
        }

        var flags = BinaryPrimitives.ReadUInt16BigEndian(message[2..]);
        var isAnswer = (flags & 0x8000) != 0;
        var kind = (flags >> 11) & 0xf;
        var isReserved = (flags & 0x40) != 0;
        var questions = BinaryPrimitives.ReadUInt16BigEndian(message[4..]);
        var answers = BinaryPrimitives.ReadUInt16BigEndian(message[6..]);
        var authorities = BinaryPrimitives.ReadUInt16BigEndian(message[8..]);
        var others = BinaryPrimitives.ReadUInt16BigEndian(message[10..]);
        return kind is 0 or 4 or 5 && !isReserved && questions == 1
            && (isAnswer ? answers <= 4096 && authorities <= 256 && others <= 256 : (kind != 0 || (answers == 0 && authorities == 0)) && others <= 8);
    }

    private static bool IsQuestion(ReadOnlySpan<byte> question)
    {
        var at = 0;
        while (true)
        {
            if (at >= question.Length || at > MaxName || question[at] > MaxLabel)
            {
                return false;
            }

            var label = question[at];
            if (label == 0)
            {
                break;
            }

            if (question.Length < at + 1 + label || question.Slice(at + 1, label).IndexOfAnyExceptInRange((byte)'!', (byte)'~') >= 0)
            {
                return false;
            }

            at += 1 + label;
        }

        return question.Length >= at + 5 && BinaryPrimitives.ReadUInt16BigEndian(question[(at + 1)..]) != 0
            && BinaryPrimitives.ReadUInt16BigEndian(question[(at + 3)..]) is 1 or 3 or 4 or 254 or 255;
    }
}
