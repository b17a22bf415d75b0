using System.Buffers.Binary;

namespace Sockwatch.Payload.Protocols;

/// <summary>Message brokers.</summary>
internal static class BinaryStarts
{
    private const int KafkaHeader = 14;
    private const int MaxKafkaRequest = 100 * 1024 * 1024;
    private const int MaxKafkaKey = 127;
    private const int MaxKafkaVersion = 31;
    private const int MaxClientId = 255;

    public static Recognition Amqp(ReadOnlySpan<byte> start, bool fromClient, out RecognisedProtocol? found)
    {
        found = null;
        if (!fromClient && !start.IsEmpty && start[0] == 1)
        {
            return AmqpStart(start, out found);
        }

        var match = ProtocolRecogniser.Match(start, "AMQP"u8);
        if (match != Recognition.Recognised || start.Length < 8)
        {
            return match == Recognition.Unknown ? match : Recognition.NeedsMore;
        }

        var version = (start[5], start[6], start[7]) switch
        {
            (0, 9, 1) => "0.9.1",
            (1, 0, 0) => "1.0",
            (8, 0, _) or (0, 8, 0) or (9, _, _) => "0.8",
            _ => null,
        };
        if (version is null || start[4] > 3)
        {
            return Recognition.Unknown;
        }

        found = new RecognisedProtocol("amqp", version);
        return Recognition.Recognised;
    }

    public static Recognition Mqtt(ReadOnlySpan<byte> start, bool fromClient, out RecognisedProtocol? found)
    {
        found = null;
        if (start.IsEmpty)
        {
            return Recognition.NeedsMore;
        }

        if (!fromClient)
        {
            // Connected, whether it is a session from before, and how it went.
            var isAnswer = start.Length >= 4 && start[0] == 0x20 && start[1] == 2 && start[2] <= 1 && start[3] <= 5;
            found = isAnswer ? new RecognisedProtocol("mqtt") : null;
            return isAnswer ? Recognition.Recognised : start.Length < 4 && start[0] == 0x20 ? Recognition.NeedsMore : Recognition.Unknown;
        }

        if (start[0] != 0x10)
        {
            return Recognition.Unknown;
        }

        // A length of one to four bytes, seven bits each.
        var at = 1;
        while (at < start.Length && start[at] >= 0x80)
        {
            if (++at > 4)
            {
                return Recognition.Unknown;
            }
        }

        if (++at > start.Length)
        {
            return Recognition.NeedsMore;
        }

        var rest = start[at..];
        ReadOnlySpan<byte> name = [0, 4, .. "MQTT"u8], oldName = [0, 6, .. "MQIsdp"u8];
        var match = ProtocolRecogniser.Match(rest, name);
        if (match == Recognition.Unknown)
        {
            match = ProtocolRecogniser.Match(rest, oldName);
            found = match == Recognition.Recognised ? new RecognisedProtocol("mqtt", "3.1") : null;
            return match;
        }

        if (rest.Length <= name.Length)
        {
            return Recognition.NeedsMore;
        }

        found = rest[name.Length] switch
        {
            4 => new RecognisedProtocol("mqtt", "3.1.1"),
            5 => new RecognisedProtocol("mqtt", "5.0"),
            _ => null,
        };
        return found is null ? Recognition.Unknown : Recognition.Recognised;
    }

    /// <summary>Size, kind of request and its version, a number, and the client's name.</summary>
    public static Recognition Kafka(ReadOnlySpan<byte> start, bool fromClient, out RecognisedProtocol? found)
    {
        found = null;
        if (!fromClient)
        {
            return Recognition.Unknown;
        }

        if (start.Length < KafkaHeader)
        {
            return start.IsEmpty || start[0] <= MaxKafkaRequest >> 24 ? Recognition.NeedsMore : Recognition.Unknown;
        }

        var size = BinaryPrimitives.ReadInt32BigEndian(start);
        var key = BinaryPrimitives.ReadInt16BigEndian(start[4..]);
        var version = BinaryPrimitives.ReadInt16BigEndian(start[6..]);
        var number = BinaryPrimitives.ReadInt32BigEndian(start[8..]);
        var nameLength = BinaryPrimitives.ReadInt16BigEndian(start[12..]);
        if (size < KafkaHeader - 4 || size > MaxKafkaRequest || key < 0 || key > MaxKafkaKey || version < 0 || version > MaxKafkaVersion
            || number < 0 || nameLength < -1 || nameLength > MaxClientId || nameLength > size - (KafkaHeader - 4))
        {
            return Recognition.Unknown;
        }

        var name = start.Slice(KafkaHeader, Math.Clamp(nameLength, (short)0, start.Length - KafkaHeader));
        if (name.IndexOfAnyExceptInRange((byte)' ', (byte)'~') >= 0)
        {
            return Recognition.Unknown;
        }

        // Numbers alone are too little to go by: a name, or the question that clients begin with.
        if (nameLength <= 0 && key != 18)
        {
            return Recognition.Unknown;
        }

        found = new RecognisedProtocol("kafka");
        return Recognition.Recognised;
    }

    /// <summary>A server's Connection.Start, in channel 0.</summary>
    private static Recognition AmqpStart(ReadOnlySpan<byte> start, out RecognisedProtocol? found)
    {
        found = null;
        if (start.Length < 11)
        {
            return ProtocolRecogniser.Match(start, [1, 0, 0]) == Recognition.Unknown ? Recognition.Unknown : Recognition.NeedsMore;
        }

        var isStart = start[1] == 0 && start[2] == 0 && start[7..11].SequenceEqual((ReadOnlySpan<byte>)[0, 10, 0, 10]);
        found = isStart ? new RecognisedProtocol("amqp", "0.9.1") : null;
        return isStart ? Recognition.Recognised : Recognition.Unknown;
    }
}
