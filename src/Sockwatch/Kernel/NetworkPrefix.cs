using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>struct network_prefix</c> in bpf/socket_state.h: a key of the longest-prefix map.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct NetworkPrefix
{
    /// <summary>Of the 16-byte address.</summary>
    public uint Length { get; init; }

    public Address16 Address { get; init; }

    public static NetworkPrefix Of(IPNetwork network) => new()
    {
        // IPv4 sits behind 96 fixed bits.
        Length = (uint)(network.PrefixLength + (network.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? 96 : 0)),
        Address = Address16.From(network.BaseAddress),
    };
}
