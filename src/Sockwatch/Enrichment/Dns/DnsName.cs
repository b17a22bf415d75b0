namespace Sockwatch.Enrichment.Dns;

/// <summary>
/// Names as DNS messages hold them: labels with their lengths, or a pointer to where the rest was said before. A pointer has to
/// point back before all that was read so far, so that every name ends.
/// </summary>
internal static class DnsName
{
    private const int MaxWireLength = 255;
    private const int MaxTextLength = MaxWireLength * 4;
    private const byte PointerMark = 0xc0;

    /// <summary>
    /// The name in lower case, labels apart by dots. A byte that is not printable ASCII, a dot or a backslash within a label is
    /// escaped as in a zone file (\004, \., \\). Null when it is malformed; <paramref name="at"/> is moved behind it.
    /// </summary>
    public static string? Read(ReadOnlySpan<byte> message, ref int at)
    {
        Span<char> text = stackalloc char[MaxTextLength];
        var length = 0;
        var wireLength = 1;
        var position = at;
        var start = at;
        var end = -1;
        while (true)
        {
            if (position >= message.Length)
            {
                return null;
            }

            var size = message[position];
            if ((size & PointerMark) == PointerMark)
            {
                if (position + 1 >= message.Length)
                {
                    return null;
                }

                end = end < 0 ? position + 2 : end;
                position = ((size & ~PointerMark) << 8) | message[position + 1];
                if (position >= start)
                {
                    return null;
                }

                start = position;
                continue;
            }

            if ((size & PointerMark) != 0)
            {
                return null;
            }

            position++;
            if (size == 0)
            {
                at = end < 0 ? position : end;
                return text[..length].ToString();
            }

            wireLength += size + 1;
            if (wireLength > MaxWireLength || position + size > message.Length)
            {
                return null;
            }

            if (length > 0)
            {
                text[length++] = '.';
            }

            foreach (var character in message.Slice(position, size))
            {
                length += Write(character, text[length..]);
            }

            position += size;
        }
    }

    private static int Write(byte character, Span<char> text)
    {
        switch (character)
        {
            case (byte)'.' or (byte)'\\':
                text[0] = '\\';
                text[1] = (char)character;
                return 2;
            case <= (byte)' ' or >= 0x7f:
                text[0] = '\\';
                text[1] = (char)('0' + (character / 100));
                text[2] = (char)('0' + (character / 10 % 10));
                text[3] = (char)('0' + (character % 10));
                return 4;
            default:
                text[0] = char.ToLowerInvariant((char)character);
                return 1;
        }
    }
}
