using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Sockwatch.Kernel;

/// <summary>A network to compare addresses with, without taking memory.</summary>
internal readonly record struct AddressRange(UInt128 Prefix, UInt128 Mask)
{
    private const int IPv4Offset = 96;

    public static AddressRange Of(IPNetwork network)
    {
        var length = network.PrefixLength + (network.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? IPv4Offset : 0);
        var mask = length == 0 ? UInt128.Zero : UInt128.MaxValue << (128 - length);
        return new AddressRange(Number(Address16.From(network.BaseAddress)) & mask, mask);
    }

    /// <summary>::/0 means IPv6; IPv4 is only within it because of how we write it.</summary>
    public bool Contains(in Address16 address) =>
        (Number(address) & Mask) == Prefix && (Mask != UInt128.Zero || !address.IsIPv4);

    private static UInt128 Number(in Address16 address) => BinaryPrimitives.ReadUInt128BigEndian(address.Bytes);
}
