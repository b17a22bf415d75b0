using System.Buffers.Binary;
using System.Text;

namespace Sockwatch.Payload.Protocols;

/// <summary>TLS by its first record, and the name of the server that the client asks for.</summary>
internal static class TlsStart
{
    private const byte Handshake = 22;
    private const byte ClientHello = 1;
    private const byte ServerHello = 2;
    private const int RecordHeader = 5;
    private const int MaxRecord = 16384 + 256;
    private const int MaxServerName = 253;
    private const ushort ServerNameExtension = 0;

    // A greeting whose name has not come by then is taken without one.
    private const int Enough = PayloadOptions.RecogniseReach;

    public static Recognition Look(ReadOnlySpan<byte> start, bool fromClient, out RecognisedProtocol? found)
    {
        found = null;
        if (start.Length < RecordHeader + 1)
        {
            return ProtocolRecogniser.Match(start, [Handshake, 3]) == Recognition.Unknown ? Recognition.Unknown : Recognition.NeedsMore;
        }

        var length = BinaryPrimitives.ReadUInt16BigEndian(start[3..]);
        if (start[0] != Handshake || start[1] != 3 || start[2] > 4 || length is 0 or > MaxRecord
            || start[RecordHeader] != (fromClient ? ClientHello : ServerHello))
        {
            return Recognition.Unknown;
        }

        var record = start[RecordHeader..];
        var isWhole = record.Length >= length;
        record = isWhole ? record[..length] : record;
        var name = fromClient ? ServerName(record) : "";
        if (fromClient && name.Length == 0 && !isWhole && start.Length < Enough)
        {
            return Recognition.NeedsMore;
        }

        found = new RecognisedProtocol("tls", ServerName: name);
        return Recognition.Recognised;
    }

    /// <summary>Empty when the greeting has none, or as far as it is there.</summary>
    private static string ServerName(ReadOnlySpan<byte> hello)
    {
        // Type and length, version, random; then what has a length of its own: session id, cipher suites, compression methods.
        var reader = new Reader(hello);
        if (!reader.Skip(4 + 2 + 32) || !reader.SkipVector(1) || !reader.SkipVector(2) || !reader.SkipVector(1) || !reader.Skip(2))
        {
            return "";
        }

        while (reader.TryRead(2, out var type) && reader.TryRead(2, out var length))
        {
            if (type != ServerNameExtension)
            {
                if (!reader.Skip(length))
                {
                    return "";
                }

                continue;
            }

            // A list of names of which there is one: of type host name.
            return reader.Skip(2) && reader.TryRead(1, out var kind) && kind == 0
                && reader.TryRead(2, out var size) && size is > 0 and <= MaxServerName && reader.TryTake(size, out var name) && IsHostName(name)
                    ? Encoding.ASCII.GetString(name)
                    : "";
        }

        return "";
    }

    private static bool IsHostName(ReadOnlySpan<byte> name)
    {
        foreach (var letter in name)
        {
            if (!char.IsAsciiLetterOrDigit((char)letter) && letter is not ((byte)'.' or (byte)'-' or (byte)'_'))
            {
                return false;
            }
        }

        return true;
    }

    private ref struct Reader(ReadOnlySpan<byte> rest)
    {
        private ReadOnlySpan<byte> _rest = rest;

        public bool Skip(int bytes) => TryTake(bytes, out _);

        /// <summary>Something that begins with its length.</summary>
        public bool SkipVector(int lengthBytes) => TryRead(lengthBytes, out var length) && Skip(length);

        public bool TryRead(int bytes, out int value)
        {
            value = 0;
            if (!TryTake(bytes, out var taken))
            {
                return false;
            }

            foreach (var one in taken)
            {
                value = (value << 8) | one;
            }

            return true;
        }

        public bool TryTake(int bytes, out ReadOnlySpan<byte> taken)
        {
            if (bytes > _rest.Length)
            {
                taken = default;
                return false;
            }

            taken = _rest[..bytes];
            _rest = _rest[bytes..];
            return true;
        }
    }
}
