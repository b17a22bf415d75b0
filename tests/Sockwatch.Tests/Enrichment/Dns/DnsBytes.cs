using System.Buffers.Binary;
using System.Net;
using System.Text;

namespace Sockwatch.Tests.Enrichment.Dns;

/// <summary>Writes DNS messages, right ones and wrong ones.</summary>
internal sealed class DnsBytes
{
    public const ushort A = 1;
    public const ushort Alias = 5;
    public const ushort Aaaa = 28;

    private readonly List<byte> _bytes = [];

    /// <param name="flags">0x8180 is a usual answer, 0x0100 a usual question.</param>
    public static DnsBytes Message(ushort id, ushort flags, string name, ushort type = A, int answers = 0, int questions = 1)
    {
        var message = new DnsBytes().Number(id).Number(flags).Number((ushort)questions).Number((ushort)answers).Number(0).Number(0);
        return message.Name(name).Number(type).Number(1);
    }

    public static byte[] Question(ushort id, string name, ushort type = A) => Message(id, 0x0100, name, type).ToArray();

    /// <param name="chain">Owner and target, by turns; then the addresses of the last.</param>
    public static byte[] Answer(ushort id, string name, string[] addresses, string[]? chain = null, uint seconds = 300, ushort type = A)
    {
        chain ??= [];
        var message = Message(id, 0x8180, name, type, (chain.Length / 2) + addresses.Length);
        for (var i = 0; i < chain.Length; i += 2)
        {
            message.Record(chain[i], Alias, seconds, new DnsBytes().Name(chain[i + 1]).ToArray());
        }

        foreach (var address in addresses)
        {
            var octets = IPAddress.Parse(address).GetAddressBytes();
            message.Record(chain.Length > 0 ? chain[^1] : name, octets.Length == 4 ? A : Aaaa, seconds, octets);
        }

        return message.ToArray();
    }

    public DnsBytes Name(string name)
    {
        foreach (var label in name.Split('.', StringSplitOptions.RemoveEmptyEntries))
        {
            _bytes.Add((byte)label.Length);
            _bytes.AddRange(Encoding.Latin1.GetBytes(label));
        }

        _bytes.Add(0);
        return this;
    }

    public DnsBytes Record(string owner, ushort type, uint seconds, byte[] data) => Name(owner).RecordAfterName(type, seconds, data);

    public DnsBytes RecordAfterName(ushort type, uint seconds, byte[] data)
    {
        Number(type).Number(1).Number((ushort)(seconds >> 16)).Number((ushort)seconds).Number((ushort)data.Length);
        _bytes.AddRange(data);
        return this;
    }

    public DnsBytes Pointer(int to) => Number((ushort)(0xc000 | to));

    public DnsBytes Bytes(params byte[] bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    public DnsBytes Number(ushort number)
    {
        Span<byte> bytes = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, number);
        _bytes.AddRange(bytes);
        return this;
    }

    public byte[] ToArray() => [.. _bytes];
}
