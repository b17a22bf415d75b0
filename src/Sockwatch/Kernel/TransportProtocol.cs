namespace Sockwatch.Kernel;

/// <summary>The values of <see cref="EdgeKey.Transport"/>: IPPROTO_TCP and IPPROTO_UDP.</summary>
internal static class TransportProtocol
{
    public const byte Tcp = 6;
    public const byte Udp = 17;

    public static string Name(byte transport) => transport switch
    {
        Tcp => "tcp",
        Udp => "udp",
        _ => "",
    };
}
