namespace Sockwatch.Payload.Protocols;

/// <summary>
/// Names a protocol by the first bytes that one side sent. Looks at the bytes alone, never at the port; the bytes are
/// anybody's, so each look reads forward, within bounds, and once.
/// </summary>
internal static class ProtocolRecogniser
{
    /// <summary>Says of the first bytes of a stream whether they are its own.</summary>
    private delegate Recognition Look(ReadOnlySpan<byte> start, bool fromClient, out RecognisedProtocol? found);

    // Those with a signature first; DNS and Kafka, whose bytes are numbers, last.
    private static readonly Look[] s_looks =
    [
        HttpStart.Look, TlsStart.Look, TextStarts.Ssh, BinaryStarts.Amqp, BinaryStarts.Mqtt, TextStarts.Redis,
        DatabaseStarts.PostgreSql, DatabaseStarts.MySql, DnsStart.OverTcp, BinaryStarts.Kafka,
    ];

    /// <param name="start">All of the stream that is known, from its first byte.</param>
    public static Recognition Recognise(ReadOnlySpan<byte> start, bool fromClient, out RecognisedProtocol? found)
    {
        var isOpen = start.IsEmpty;
        foreach (var look in s_looks)
        {
            switch (look(start, fromClient, out found))
            {
                case Recognition.Recognised:
                    return Recognition.Recognised;
                case Recognition.NeedsMore:
                    isOpen = true;
                    break;
            }
        }

        found = null;
        return isOpen ? Recognition.NeedsMore : Recognition.Unknown;
    }

    /// <summary>The same of a datagram, which is whole.</summary>
    public static RecognisedProtocol? OfDatagram(ReadOnlySpan<byte> datagram) => DnsStart.Message(datagram);

    /// <summary>How a stream compares to the bytes that it would have to begin with.</summary>
    public static Recognition Match(ReadOnlySpan<byte> start, ReadOnlySpan<byte> signature)
    {
        var common = Math.Min(start.Length, signature.Length);
        return !start[..common].SequenceEqual(signature[..common]) ? Recognition.Unknown
            : start.Length < signature.Length ? Recognition.NeedsMore
            : Recognition.Recognised;
    }
}
