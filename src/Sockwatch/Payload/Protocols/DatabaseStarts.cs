using System.Buffers.Binary;

namespace Sockwatch.Payload.Protocols;

internal static class DatabaseStarts
{
    private const int CancelRequest = 80877102;
    private const int TlsRequest = 80877103;
    private const int EncryptionRequest = 80877104;
    private const int MaxStartup = 10_000;
    private const int MySqlHeader = 4;
    private const uint Protocol41 = 0x200;
    private const int MySqlLogin = 32;
    private const int MaxMySqlVersion = 64;

    /// <summary>A client begins with a length and a number; with TLS, it asks for that first.</summary>
    public static Recognition PostgreSql(ReadOnlySpan<byte> start, bool fromClient, out RecognisedProtocol? found)
    {
        found = null;
        if (!fromClient)
        {
            // "Authentication": how to log in.
            var match = ProtocolRecogniser.Match(start, [(byte)'R', 0, 0, 0]);
            found = match == Recognition.Recognised && start.Length >= 9 && start[4] >= 8 && start[5] == 0 && start[6] == 0 && start[7] == 0 && start[8] <= 12
                ? new RecognisedProtocol("postgresql")
                : null;
            return found is not null ? Recognition.Recognised
                : match != Recognition.Unknown && start.Length < 9 ? Recognition.NeedsMore : Recognition.Unknown;
        }

        if (start.Length < 8)
        {
            return ProtocolRecogniser.Match(start, [0, 0]) == Recognition.Unknown ? Recognition.Unknown : Recognition.NeedsMore;
        }

        var length = BinaryPrimitives.ReadInt32BigEndian(start);
        var code = BinaryPrimitives.ReadInt32BigEndian(start[4..]);
        if ((length == 8 && code is TlsRequest or EncryptionRequest) || (length is >= 16 and < 300 && code == CancelRequest))
        {
            found = new RecognisedProtocol("postgresql");
            return Recognition.Recognised;
        }

        // Parameters follow, by name and value; the user is one that has to be there.
        if (length is < 14 or > MaxStartup || code >> 16 != 3 || (code & 0xffff) > 9999)
        {
            return Recognition.Unknown;
        }

        var parameters = start[8..Math.Min(start.Length, length)];
        if (parameters.IndexOf("user\0"u8) < 0)
        {
            return start.Length < length && start.Length < PayloadOptions.RecogniseReach ? Recognition.NeedsMore : Recognition.Unknown;
        }

        found = new RecognisedProtocol("postgresql", (code & 0xffff) == 0 ? "3.0" : (code & 0xffff) == 2 ? "3.2" : "3");
        return Recognition.Recognised;
    }

    /// <summary>The server speaks first, and says its version; the client answers with what it can and who it is.</summary>
    public static Recognition MySql(ReadOnlySpan<byte> start, bool fromClient, out RecognisedProtocol? found)
    {
        found = null;
        if (start.Length < MySqlHeader + 1)
        {
            return start.Length < MySqlHeader || start[3] == (fromClient ? 1 : 0) ? Recognition.NeedsMore : Recognition.Unknown;
        }

        var length = start[0] | (start[1] << 8) | (start[2] << 16);
        if (start[3] != (fromClient ? 1 : 0))
        {
            return Recognition.Unknown;
        }

        var packet = start[MySqlHeader..];
        var isMySql = fromClient ? IsLogin(packet, length, out var isShort) : IsGreeting(packet, length, out isShort);
        found = isMySql ? new RecognisedProtocol("mysql") : null;
        return isMySql ? Recognition.Recognised : isShort ? Recognition.NeedsMore : Recognition.Unknown;
    }

    private static bool IsGreeting(ReadOnlySpan<byte> packet, int length, out bool isShort)
    {
        isShort = false;
        if (packet[0] != 10 || length is < 20 or > 1024)
        {
            return false;
        }

        var version = packet[1..];
        var end = version.IndexOf((byte)0);
        isShort = end < 0 && version.Length < MaxMySqlVersion;
        return end is > 2 and < MaxMySqlVersion && char.IsAsciiDigit((char)version[0])
            && version[..end].IndexOfAnyExceptInRange((byte)' ', (byte)'~') < 0;
    }

    // What it can, the longest packet, a character set, 23 zeros; then who it is, or TLS.
    private static bool IsLogin(ReadOnlySpan<byte> packet, int length, out bool isShort)
    {
        isShort = packet.Length < MySqlLogin;
        if (length is < MySqlLogin or > 65_535)
        {
            isShort = false;
            return false;
        }

        return !isShort && (BinaryPrimitives.ReadUInt32LittleEndian(packet) & Protocol41) != 0
            && packet[9..28].IndexOfAnyExcept((byte)0) < 0;
    }
}
