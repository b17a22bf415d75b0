using System.Buffers.Binary;
using Sockwatch.Kernel;

namespace Sockwatch.Enrichment;

/// <summary>Where an address is, seen from this machine; the values of the <c>peer.class</c> attribute.</summary>
internal static class PeerClass
{
    public const string Unknown = "";
    public const string Loopback = "loopback";
    public const string Node = "node";
    public const string Private = "private";
    public const string Public = "public";

    // What only the cluster can tell.
    public const string Pod = "pod";
    public const string Service = "service";

    /// <summary>On a list of addresses whose contact is a detection, wherever it is.</summary>
    public const string Listed = "listed";

    /// <summary>The class by the address alone; the addresses of this machine are for the caller to know.</summary>
    public static string Of(in Address16 address)
    {
        if (address.IsZero)
        {
            return Unknown;
        }

        var bytes = address.Bytes;
        return address.IsIPv4 ? OfIPv4(BinaryPrimitives.ReadUInt32BigEndian(bytes[12..])) : OfIPv6(bytes);
    }

    private static string OfIPv4(uint address) => address switch
    {
        0 => Unknown,
        _ when IsIn(address, 127, 0, 8) => Loopback,
        _ when IsIn(address, 10, 0, 8) => Private,
        _ when IsIn(address, 172, 16, 12) => Private,
        _ when IsIn(address, 192, 168, 16) => Private,
        _ when IsIn(address, 169, 254, 16) => Private, // link-local
        _ when IsIn(address, 100, 64, 10) => Private, // carrier-grade NAT
        _ when IsIn(address, 239, 0, 8) => Private, // multicast that stays within the organisation
        _ when IsIn(address, 224, 0, 24) => Private, // multicast that stays on the link
        uint.MaxValue => Private, // broadcast
        _ => Public,
    };

    private static bool IsIn(uint address, uint first, uint second, int prefix) =>
        (address ^ ((first << 24) | (second << 16))) >> (32 - prefix) == 0;

    private static string OfIPv6(ReadOnlySpan<byte> address)
    {
        if (address[..15].IndexOfAnyExcept((byte)0) < 0 && address[15] == 1)
        {
            return Loopback;
        }

        var isPrivate = (address[0] & 0xfe) == 0xfc // unique local
            || (address[0] == 0xfe && (address[1] & 0xc0) == 0x80) // link-local
            || (address[0] == 0xff && (address[1] & 0x0f) <= 8); // multicast within the organisation
        return isPrivate ? Private : Public;
    }
}
