using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Sockwatch.Kernel;

/// <summary>
/// Mirrors <c>struct dns_message</c> in bpf/socket_events.h: what a socket sent to port 53, or received from there. Nobody has
/// looked at it yet, and anybody may have written it.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct DnsMessage
{
    /// <summary>CLOCK_BOOTTIME.</summary>
    public ulong AtNs;

    public ulong SocketCookie;

    /// <summary>Of who asked.</summary>
    public ulong CgroupId;

    public Address16 ServerAddress;

    public ushort ServerPort;

    /// <summary>Of the whole message.</summary>
    public ushort Length;

    /// <summary>Bytes of the text that hold the message.</summary>
    public ushort Captured;

    public byte Direction;

    public byte Transport;

    /// <summary>In the message, of the text's first byte: by TCP a message may come in parts.</summary>
    public ushort Offset;

    public Padding6 Padding;

    public DnsText Text;

    [UnscopedRef]
    public readonly ReadOnlySpan<byte> Captures => ((ReadOnlySpan<byte>)Text)[..Math.Min((int)Captured, DnsText.Longest)];

    /// <summary>A record in the ring ends where its text does.</summary>
    public static void Read(ReadOnlySpan<byte> record, out DnsMessage message)
    {
        message = default;
        var bytes = MemoryMarshal.AsBytes(new Span<DnsMessage>(ref message));
        record[..Math.Min(record.Length, bytes.Length)].CopyTo(bytes);
    }
}

[InlineArray(Longest)]
internal struct DnsText
{
    public const int Longest = 1472;

    private byte _first;
}
