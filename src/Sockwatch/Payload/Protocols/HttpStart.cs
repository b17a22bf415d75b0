using System.Buffers.Binary;

namespace Sockwatch.Payload.Protocols;

/// <summary>HTTP/1 by its first line, HTTP/2 by its preface or its first frame.</summary>
internal static class HttpStart
{
    private const string Name = "http";
    private const int FrameHeader = 9;
    private const byte SettingsFrame = 4;
    private const int SettingLength = 6;
    private const int MaxSettings = 64;
    private const int MaxFirstLine = 8192;

    private static readonly byte[][] s_methods =
    [
        [.. "GET "u8], [.. "POST "u8], [.. "PUT "u8], [.. "HEAD "u8], [.. "DELETE "u8], [.. "OPTIONS "u8], [.. "PATCH "u8], [.. "CONNECT "u8],
        [.. "TRACE "u8], [.. "PROPFIND "u8], [.. "PROPPATCH "u8], [.. "MKCOL "u8], [.. "COPY "u8], [.. "MOVE "u8], [.. "LOCK "u8], [.. "UNLOCK "u8],
        [.. "REPORT "u8],
    ];

    public static Recognition Look(ReadOnlySpan<byte> start, bool fromClient, out RecognisedProtocol? found) =>
        fromClient ? LookAtClient(start, out found) : LookAtServer(start, out found);

    private static Recognition LookAtClient(ReadOnlySpan<byte> start, out RecognisedProtocol? found)
    {
        found = null;
        var preface = ProtocolRecogniser.Match(start, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8);
        if (preface != Recognition.Unknown)
        {
            found = preface == Recognition.Recognised ? new RecognisedProtocol(Name, "2") : null;
            return preface;
        }

        foreach (var method in s_methods)
        {
            switch (ProtocolRecogniser.Match(start, method))
            {
                case Recognition.NeedsMore:
                    return Recognition.NeedsMore;
                case Recognition.Recognised:
                    return LookAtRequestLine(start, out found);
            }
        }

        return Recognition.Unknown;
    }

    private static Recognition LookAtRequestLine(ReadOnlySpan<byte> start, out RecognisedProtocol? found)
    {
        found = null;
        var end = start.IndexOf((byte)'\n');
        if (end < 0)
        {
            return start.Length > MaxFirstLine ? Recognition.Unknown : Recognition.NeedsMore;
        }

        var line = start[..end].TrimEnd((byte)'\r');
        var version = line.Length >= 8 ? line[^8..] : default;
        if (!version.StartsWith("HTTP/1."u8))
        {
            return Recognition.Unknown;
        }

        found = new RecognisedProtocol(Name, version[7] == (byte)'0' ? "1.0" : "1.1");
        return Recognition.Recognised;
    }

    private static Recognition LookAtServer(ReadOnlySpan<byte> start, out RecognisedProtocol? found)
    {
        found = null;
        var status = ProtocolRecogniser.Match(start, "HTTP/1."u8);
        if (status == Recognition.Recognised && start.Length > 7)
        {
            found = new RecognisedProtocol(Name, start[7] == (byte)'0' ? "1.0" : "1.1");
            return Recognition.Recognised;
        }

        if (status != Recognition.Unknown)
        {
            return Recognition.NeedsMore;
        }

        // A server's preface is a frame of settings: length, type, no flags, stream 0.
        if (start.Length < FrameHeader)
        {
            return start[0] == 0 ? Recognition.NeedsMore : Recognition.Unknown;
        }

        var length = (start[0] << 16) | (start[1] << 8) | start[2];
        if (length % SettingLength != 0 || length > MaxSettings * SettingLength || start[3] != SettingsFrame || start[4] != 0
            || BinaryPrimitives.ReadUInt32BigEndian(start[5..]) != 0)
        {
            return Recognition.Unknown;
        }

        found = new RecognisedProtocol(Name, "2");
        return Recognition.Recognised;
    }
}
