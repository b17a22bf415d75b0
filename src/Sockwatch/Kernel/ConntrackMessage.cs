using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Sockwatch.Kernel;

/// <summary>A conversation as who began it sees it: from its own end to the one that it spoke to.</summary>
/// <param name="Transport">See <see cref="TransportProtocol"/>.</param>
internal readonly record struct Conversation(byte Transport, Address16 Local, ushort LocalPort, Address16 Peer, ushort PeerPort);

/// <summary>One end of a conversation.</summary>
internal readonly record struct Endpoint(Address16 Address, ushort Port);

/// <summary>
/// The messages of ctnetlink (linux/netfilter/nfnetlink_conntrack.h): one conversation is asked about, and the kernel answers with the
/// tuples of both directions, or with an error.
/// </summary>
internal static class ConntrackMessage
{
    /// <summary>What a question takes at most.</summary>
    public const int MaxQuestion = 128;

    private const int HeaderLength = 16;
    private const int FamilyLength = 4;
    private const int AttributeHeader = 4;

    private const ushort GetConntrack = 0x0101;
    private const ushort NewConntrack = 0x0100;
    private const ushort NetlinkError = 2;
    private const ushort Request = 1;

    private const byte InternetFour = 2;
    private const byte InternetSix = 10;

    private const ushort Nested = 0x8000;
    private const ushort TypeMask = 0x3fff;
    private const ushort TupleOriginal = 1;
    private const ushort TupleReply = 2;
    private const ushort TupleAddresses = 1;
    private const ushort TupleProtocol = 2;
    private const ushort ProtocolNumber = 1;
    private const ushort ProtocolSourcePort = 2;
    private const ushort ProtocolDestinationPort = 3;

    /// <summary>The question for a conversation; returns its length.</summary>
    public static int Write(in Conversation conversation, uint sequence, Span<byte> message)
    {
        message = message[..MaxQuestion];
        message.Clear();
        var (local, peer) = (conversation.Local, conversation.Peer);
        var isFour = peer.IsIPv4;
        message[HeaderLength] = isFour ? InternetFour : InternetSix;
        var at = HeaderLength + FamilyLength;
        var tuple = at;
        at += AttributeHeader;
        var addresses = at;
        at += AttributeHeader;
        at = Put(message, at, (ushort)(isFour ? 1 : 3), isFour ? local.Bytes[12..] : local.Bytes);
        at = Put(message, at, (ushort)(isFour ? 2 : 4), isFour ? peer.Bytes[12..] : peer.Bytes);
        Close(message, addresses, TupleAddresses, at);
        var protocol = at;
        at += AttributeHeader;
        at = Put(message, at, ProtocolNumber, [conversation.Transport]);
        at = Put(message, at, ProtocolSourcePort, [(byte)(conversation.LocalPort >> 8), (byte)conversation.LocalPort]);
        at = Put(message, at, ProtocolDestinationPort, [(byte)(conversation.PeerPort >> 8), (byte)conversation.PeerPort]);
        Close(message, protocol, TupleProtocol, at);
        Close(message, tuple, TupleOriginal, at);

        MemoryMarshal.Write(message, at);
        MemoryMarshal.Write(message[4..], GetConntrack);
        MemoryMarshal.Write(message[6..], Request);
        MemoryMarshal.Write(message[8..], sequence);
        return at;
    }

    /// <summary>What an answer says. False when it is no answer to this question.</summary>
    /// <param name="error">errno, of the kernel's refusal; 0 when there is none.</param>
    /// <param name="replier">Who answers the conversation; null when the answer does not say so.</param>
    public static bool TryRead(ReadOnlySpan<byte> message, uint sequence, out int error, out Endpoint? replier)
    {
        (error, replier) = (0, null);
        if (message.Length < HeaderLength)
        {
            return false;
        }

        var length = MemoryMarshal.Read<uint>(message);
        var type = MemoryMarshal.Read<ushort>(message[4..]);
        if (length < HeaderLength || length > message.Length || MemoryMarshal.Read<uint>(message[8..]) != sequence)
        {
            return false;
        }

        message = message[HeaderLength..(int)length];
        if (type == NetlinkError)
        {
            error = message.Length >= sizeof(int) ? -MemoryMarshal.Read<int>(message) : 0;
            return error > 0;
        }

        if (type != NewConntrack || message.Length < FamilyLength)
        {
            return false;
        }

        if (Find(message[FamilyLength..], TupleReply) is var reply && !reply.IsEmpty
            && Find(reply, TupleAddresses) is var addresses && Find(reply, TupleProtocol) is var protocol
            && Find(protocol, ProtocolSourcePort) is { Length: 2 } port)
        {
            var four = Find(addresses, 1);
            var source = four.Length == 4 ? four : Find(addresses, 3);
            if (source.Length is 4 or Address16.Length)
            {
                replier = new Endpoint(Address16.From(new System.Net.IPAddress(source)), BinaryPrimitives.ReadUInt16BigEndian(port));
            }
        }

        return true;
    }

    private static int Put(Span<byte> message, int at, ushort type, ReadOnlySpan<byte> value)
    {
        MemoryMarshal.Write(message[at..], (ushort)(AttributeHeader + value.Length));
        MemoryMarshal.Write(message[(at + 2)..], type);
        value.CopyTo(message[(at + AttributeHeader)..]);
        return at + AttributeHeader + Aligned(value.Length);
    }

    private static void Close(Span<byte> message, int start, ushort type, int end)
    {
        MemoryMarshal.Write(message[start..], (ushort)(end - start));
        MemoryMarshal.Write(message[(start + 2)..], (ushort)(type | Nested));
    }

    /// <summary>The content of the first attribute of a type; empty when there is none.</summary>
    private static ReadOnlySpan<byte> Find(ReadOnlySpan<byte> attributes, ushort wanted)
    {
        while (attributes.Length >= AttributeHeader)
        {
            var length = MemoryMarshal.Read<ushort>(attributes);
            if (length < AttributeHeader || length > attributes.Length)
            {
                return [];
            }

            if ((MemoryMarshal.Read<ushort>(attributes[2..]) & TypeMask) == wanted)
            {
                return attributes[AttributeHeader..length];
            }

            attributes = attributes[Math.Min(Aligned(length), attributes.Length)..];
        }

        return [];
    }

    private static int Aligned(int length) => (length + 3) & ~3;
}
