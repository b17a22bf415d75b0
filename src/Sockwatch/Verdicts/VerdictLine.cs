using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Numerics;
using System.Text;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Verdicts;

/// <summary>
/// A line of a list: <c>ADDRESS[/BITS] allow</c>, or <c>ADDRESS[/BITS] detect [CLASSIFICATION [NAME]]</c>. The name is the rest of the
/// line. What follows a # at the start or after white space is a comment.
/// </summary>
internal readonly ref struct VerdictLine
{
    /// <summary>Bytes; a line that is longer is broken.</summary>
    public const int MaxLength = 1024;

    private const byte Comment = (byte)'#';
    private const int IPv4PrefixBits = 96;

    /// <summary>IPv4 as ::ffff:a.b.c.d; no bits beyond the prefix.</summary>
    public UInt128 Address { get; private init; }

    /// <summary>Of 128.</summary>
    public int Length { get; private init; }

    public bool IsDetect { get; private init; }

    public uint Classification { get; private init; }

    public ReadOnlySpan<byte> Name { get; private init; }

    public bool IsIPv4 => Length >= IPv4PrefixBits && Address >> 32 == 0xffff;

    /// <summary>True with an entry; false with none and no error for a line without anything on it.</summary>
    /// <param name="error">What is wrong and what was expected; null when nothing is.</param>
    public static bool TryParse(ReadOnlySpan<byte> line, out VerdictLine entry, out string? error)
    {
        entry = default;
        error = null;
        line = WithoutComment(line).Trim(" \t\r"u8);
        if (line.IsEmpty)
        {
            return false;
        }

        var network = NextWord(ref line);
        if (!TryParseNetwork(network, out var address, out var length, out error))
        {
            return false;
        }

        var verdict = NextWord(ref line);
        var isDetect = verdict.SequenceEqual("detect"u8);
        if (!isDetect && !verdict.SequenceEqual("allow"u8))
        {
            error = verdict.IsEmpty ? "no verdict; expected allow or detect after the address" : $"'{Text(verdict)}' is no verdict; expected allow or detect";
            return false;
        }

        var classification = 0u;
        var number = NextWord(ref line);
        if (!number.IsEmpty && (!uint.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out classification)))
        {
            error = $"'{Text(number)}' is no classification; expected a whole number from 0 to {uint.MaxValue}";
            return false;
        }

        entry = new VerdictLine { Address = address, Length = length, IsDetect = isDetect, Classification = classification, Name = line };
        return true;
    }

    public static bool TryParseNetwork(ReadOnlySpan<byte> text, out UInt128 address, out int length, out string? error)
    {
        address = 0;
        length = 0;
        error = null;
        var slash = text.IndexOf((byte)'/');
        var host = slash < 0 ? text : text[..slash];
        if (!TryParseAddress(host, out address, out var isIPv4))
        {
            error = $"'{Text(text)}' is no address; expected one such as 192.0.2.1, 198.51.100.0/24 or 2001:db8::/32";
            return false;
        }

        var most = isIPv4 ? 32 : 128;
        var bits = most;
        if (slash >= 0 && (!int.TryParse(text[(slash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out bits) || bits > most))
        {
            error = $"'{Text(text)}' has no length of a prefix after the slash; expected 0 to {most}";
            return false;
        }

        // IPv4 behind its prefix of 96 bits, whichever way it is written.
        length = isIPv4 ? bits + IPv4PrefixBits : bits;
        var beyond = length == 0 ? UInt128.MaxValue : length == 128 ? UInt128.Zero : UInt128.MaxValue >> length;
        if ((address & beyond) != 0)
        {
            error = $"'{Text(text)}' has bits beyond the prefix; expected {Format(address & ~beyond, length)}, or a longer prefix";
            return false;
        }

        return true;
    }

    public static string Format(UInt128 address, int length)
    {
        var isIPv4 = length >= IPv4PrefixBits && address >> 32 == 0xffff;
        Span<byte> octets = stackalloc byte[Address16.Length];
        ((IBinaryInteger<UInt128>)address).WriteBigEndian(octets);
        return string.Create(CultureInfo.InvariantCulture, $"{new IPAddress(isIPv4 ? octets[12..] : octets)}/{(isIPv4 ? length - IPv4PrefixBits : length)}");
    }

    private static bool TryParseAddress(ReadOnlySpan<byte> text, out UInt128 address, out bool isIPv4)
    {
        isIPv4 = TryParseIPv4(text, out var ipv4);
        if (isIPv4)
        {
            address = new UInt128(0, 0xffff_0000_0000UL | ipv4);
            return true;
        }

        address = 0;
        Span<char> characters = stackalloc char[64];
        if (text.Length > 45 || !text.Contains((byte)':') || text.ContainsAny("%[]"u8) || !Ascii.IsValid(text))
        {
            return false;
        }

        var count = Encoding.ASCII.GetChars(text, characters);
        if (!IPAddress.TryParse(characters[..count], out var parsed) || parsed.AddressFamily != AddressFamily.InterNetworkV6)
        {
            return false;
        }

        Span<byte> octets = stackalloc byte[Address16.Length];
        parsed.TryWriteBytes(octets, out _);
        address = new UInt128(System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(octets), System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(octets[8..]));
        return true;
    }

    // A million of them: no allocation. And none of the short or octal forms that the library takes.
    private static bool TryParseIPv4(ReadOnlySpan<byte> text, out uint address)
    {
        address = 0;
        var octets = 0;
        var octet = 0;
        var digits = 0;
        foreach (var character in text)
        {
            if (character == '.')
            {
                if (digits == 0 || ++octets > 3)
                {
                    return false;
                }

                address = (address << 8) | (uint)octet;
                octet = digits = 0;
            }
            else if (character is >= (byte)'0' and <= (byte)'9')
            {
                if (digits > 0 && octet == 0)
                {
                    return false;
                }

                octet = (octet * 10) + character - '0';
                if (++digits > 3 || octet > 255)
                {
                    return false;
                }
            }
            else
            {
                return false;
            }
        }

        address = (address << 8) | (uint)octet;
        return octets == 3 && digits > 0;
    }

    private static ReadOnlySpan<byte> WithoutComment(ReadOnlySpan<byte> line)
    {
        for (var from = 0; line[from..].IndexOf(Comment) is >= 0 and var at; from += at + 1)
        {
            if (from + at == 0 || line[from + at - 1] is (byte)' ' or (byte)'\t')
            {
                return line[..(from + at)];
            }
        }

        return line;
    }

    private static ReadOnlySpan<byte> NextWord(ref ReadOnlySpan<byte> line)
    {
        var end = line.IndexOfAny((byte)' ', (byte)'\t');
        var word = end < 0 ? line : line[..end];
        line = end < 0 ? [] : line[end..].TrimStart(" \t"u8);
        return word;
    }

    private static string Text(ReadOnlySpan<byte> text) => PrintableText.Of(Encoding.UTF8.GetString(text.Length > 64 ? text[..64] : text), 64);
}
