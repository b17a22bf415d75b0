using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters.Trace;

/// <summary>Values of the filters of <c>sockwatch trace</c>, as they are written; null for what is none.</summary>
internal static class TraceValues
{
    /// <summary>What a trace calls an operation and the kernel does not: a contact with a listed peer, by whatever operation.</summary>
    public const SocketOperation Detect = (SocketOperation)byte.MaxValue;

    public static uint? Id(string text) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : null;

    public static ushort? Port(string text) =>
        ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port > 0 ? port : null;

    /// <summary>An address is the network of which it is all.</summary>
    public static IPNetwork? Network(string text)
    {
        if (IPNetwork.TryParse(text, out var network))
        {
            return network;
        }

        return IPAddress.TryParse(text, out var address)
            ? new IPNetwork(address, address.AddressFamily == AddressFamily.InterNetworkV6 ? 128 : 32)
            : null;
    }

    public static SocketOperation? Operation(string text) => text.ToUpperInvariant() switch
    {
        "CONNECT" => SocketOperation.Connect,
        "ACCEPT" => SocketOperation.Accept,
        "SEND" => SocketOperation.Send,
        "RECV" => SocketOperation.Recv,
        "RELEASE" => SocketOperation.Release,
        "DETECT" => Detect,
        _ => null,
    };

    public static byte? Transport(string text) => text.ToUpperInvariant() switch
    {
        "TCP" => TransportProtocol.Tcp,
        "UDP" => TransportProtocol.Udp,
        _ => null,
    };
}
