using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Enrichment;

/// <summary>The networks the operator gave names to.</summary>
internal sealed class NetworkNames
{
    private readonly (UInt128 Prefix, UInt128 Mask, string Name)[] _longestFirst;

    public NetworkNames(EnrichmentOptions options)
    {
        var networks = new List<(UInt128 Prefix, UInt128 Mask, string Name, int Length)>();
        foreach (var (name, cidrs) in options.Networks)
        {
            foreach (var cidr in cidrs)
            {
                var network = IPNetwork.Parse(cidr);
                var length = network.PrefixLength + (network.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? 96 : 0);
                var mask = length == 0 ? UInt128.Zero : UInt128.MaxValue << (128 - length);
                var prefix = Number(Address16.From(network.BaseAddress));
                networks.Add((prefix & mask, mask, PrintableText.Of(name, EdgeNaming.MaxNameLength), length));
            }
        }

        _longestFirst = [.. networks.OrderByDescending(network => network.Length).Select(network => (network.Prefix, network.Mask, network.Name))];
    }

    public string? Find(in Address16 address)
    {
        if (_longestFirst.Length == 0 || address.IsZero)
        {
            return null;
        }

        var number = Number(address);
        foreach (var (prefix, mask, name) in _longestFirst)
        {
            // ::/0 means IPv6; IPv4 is only within it because of how we write it.
            if ((number & mask) == prefix && (mask != UInt128.Zero || !address.IsIPv4))
            {
                return name;
            }
        }

        return null;
    }

    private static UInt128 Number(in Address16 address) => BinaryPrimitives.ReadUInt128BigEndian(address.Bytes);
}
