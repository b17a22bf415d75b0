using System.Runtime.InteropServices;

namespace Sockwatch.Verdicts;

/// <summary>
/// The entries of a file, in a form that a million of them fit in: eight bytes for one of IPv4, 32 for one of IPv6. In the order of the
/// file, for of two entries of one network the later one counts.
/// </summary>
internal sealed class VerdictEntries
{
    private readonly List<ulong> _ipv4 = [];
    private readonly List<Entry6> _ipv6 = [];

    public int Count => _ipv4.Count + _ipv6.Count;

    /// <summary>As <see cref="Pack"/> makes them.</summary>
    public ReadOnlySpan<ulong> IPv4 => CollectionsMarshal.AsSpan(_ipv4);

    public ReadOnlySpan<Entry6> IPv6 => CollectionsMarshal.AsSpan(_ipv6);

    /// <param name="length">Of the prefix, of 128 bits.</param>
    /// <param name="detection">0 to allow.</param>
    public void Add(UInt128 address, int length, bool isIPv4, ushort detection)
    {
        if (isIPv4)
        {
            _ipv4.Add(Pack((uint)address, length - 96, detection));
        }
        else
        {
            _ipv6.Add(new Entry6(address, (byte)length, detection));
        }
    }

    public void TrimExcess()
    {
        _ipv4.TrimExcess();
        _ipv6.TrimExcess();
    }

    /// <summary>Whether some entry has the detection; by number.</summary>
    public void Mark(bool[] listed)
    {
        foreach (var entry in IPv4)
        {
            listed[(ushort)entry] = true;
        }

        foreach (ref readonly var entry in IPv6)
        {
            listed[entry.Detection] = true;
        }
    }

    /// <summary>Address and length above, so that they sort as they nest: the wider before the narrower.</summary>
    public static ulong Pack(uint address, int length, ushort detection) => ((ulong)address << 32) | ((ulong)(uint)length << 16) | detection;

    public static (uint Address, int Length, ushort Detection) Unpack(ulong entry) =>
        ((uint)(entry >> 32), (int)(entry >> 16 & 0xff), (ushort)entry);

    internal readonly record struct Entry6(UInt128 Address, byte Length, ushort Detection);
}
