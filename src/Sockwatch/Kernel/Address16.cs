using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Sockwatch.Kernel;

/// <summary>An address as the kernel side keeps it: IPv6, or IPv4 as ::ffff:a.b.c.d. All zero means unknown.</summary>
internal readonly struct Address16 : IEquatable<Address16>
{
    public const int Length = 16;

    private readonly Octets _octets;

    public Address16(ReadOnlySpan<byte> octets)
    {
        octets[..Length].CopyTo(_octets);
    }

    [UnscopedRef]
    public ReadOnlySpan<byte> Bytes => _octets;

    public bool IsZero => MemoryMarshal.Read<UInt128>(Bytes) == UInt128.Zero;

    public bool IsIPv4 => Bytes.StartsWith(IPv4Prefix);

    private static ReadOnlySpan<byte> IPv4Prefix => [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

    public static Address16 From(IPAddress address)
    {
        Octets octets = default;
        if (address.AddressFamily == AddressFamily.InterNetwork)
        {
            IPv4Prefix.CopyTo(octets);
            address.TryWriteBytes(((Span<byte>)octets)[IPv4Prefix.Length..], out _);
        }
        else
        {
            address.TryWriteBytes(octets, out _);
        }

        return new Address16(octets);
    }

    public static Address16 Parse(string address) => From(IPAddress.Parse(address));

    public static bool operator ==(Address16 left, Address16 right) => left.Equals(right);

    public static bool operator !=(Address16 left, Address16 right) => !left.Equals(right);

    /// <summary>IPv4 comes back as IPv4, whichever way the application wrote it.</summary>
    public IPAddress ToIPAddress() => IsIPv4 ? new IPAddress(Bytes[IPv4Prefix.Length..]) : new IPAddress(Bytes);

    public bool Equals(Address16 other) => Bytes.SequenceEqual(other.Bytes);

    public override bool Equals(object? obj) => obj is Address16 other && Equals(other);

    public override int GetHashCode() => MemoryMarshal.Read<UInt128>(Bytes).GetHashCode();

    public override string ToString() => ToIPAddress().ToString();

    [InlineArray(Length)]
    private struct Octets
    {
        private byte _first;
    }
}
