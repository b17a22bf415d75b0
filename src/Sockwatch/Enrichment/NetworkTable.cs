using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Enrichment;

/// <summary>Names of networks, by the longest match.</summary>
internal sealed class NetworkTable
{
    /// <summary>
    /// Addresses that mean the same everywhere: where a cloud tells a machine its credentials, which is worth noticing, and those of
    /// the link. A name that the operator gives to as long a prefix comes before these.
    /// </summary>
    public static readonly IReadOnlyDictionary<string, IReadOnlyList<string>> WellKnown = new Dictionary<string, IReadOnlyList<string>>
    {
        ["cloud-metadata"] = ["169.254.169.254/32", "fd00:ec2::254/128", "fd20:ce::254/128"],
        ["link-local"] = ["169.254.0.0/16", "fe80::/10"],
    };

    // By length of the prefix, the longest first.
    private readonly List<(UInt128 Mask, Dictionary<UInt128, string> Names)> _lengths = [];

    public NetworkTable(IReadOnlyDictionary<string, List<string>> networks)
    {
        var byLength = new SortedDictionary<int, Dictionary<UInt128, string>>(Comparer<int>.Create((left, right) => right.CompareTo(left)));
        foreach (var (name, cidrs) in networks)
        {
            Add(byLength, PrintableText.Of(name, EdgeNaming.MaxNameLength), cidrs);
        }

        foreach (var (name, cidrs) in WellKnown)
        {
            Add(byLength, name, cidrs);
        }

        foreach (var (length, names) in byLength)
        {
            _lengths.Add((MaskOf(length), names));
        }
    }

    public string? Find(in Address16 address)
    {
        if (address.IsZero)
        {
            return null;
        }

        var number = Number(address);
        foreach (var (mask, names) in _lengths)
        {
            // ::/0 means IPv6; IPv4 is only within it because of how we write it.
            if (names.TryGetValue(number & mask, out var name) && (mask != UInt128.Zero || !address.IsIPv4))
            {
                return name;
            }
        }

        return null;
    }

    private static void Add(SortedDictionary<int, Dictionary<UInt128, string>> byLength, string name, IEnumerable<string> cidrs)
    {
        foreach (var cidr in cidrs)
        {
            var network = IPNetwork.Parse(cidr);
            var length = network.PrefixLength + (network.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? 96 : 0);
            if (!byLength.TryGetValue(length, out var names))
            {
                byLength.Add(length, names = []);
            }

            names.TryAdd(Number(Address16.From(network.BaseAddress)) & MaskOf(length), name);
        }
    }

    private static UInt128 MaskOf(int length) => length == 0 ? UInt128.Zero : UInt128.MaxValue << (128 - length);

    private static UInt128 Number(in Address16 address) => BinaryPrimitives.ReadUInt128BigEndian(address.Bytes);
}
