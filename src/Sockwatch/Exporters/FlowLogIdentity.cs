using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters;

/// <summary>
/// Gives each flow an id of 32 hex digits, fit for a trace id: the first half tells the node and its boot, the second
/// the flow. Every record of a flow yields the same one, without anything being remembered.
/// </summary>
internal sealed class FlowLogIdentity
{
    public const int Length = 32;

    private readonly ulong _node;

    public FlowLogIdentity(HostPaths paths)
    {
        var node = ReadOrEmpty(paths.Proc("sys/kernel/random/boot_id")) + "\n" + ReadOrEmpty(paths.Etc("machine-id"));
        _node = BinaryPrimitives.ReadUInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(node)));
    }

    public void Format(in FlowRecord record, Span<byte> text)
    {
        _node.TryFormat(text, out _, "x16");
        Flow(in record).TryFormat(text[16..], out _, "x16");
    }

    /// <summary>Tells flows of this boot apart.</summary>
    public static ulong Flow(in FlowRecord record)
    {
        var edge = record.Edge;
        var peer = edge.PeerAddress;
        var hash = Mix(record.SocketCookie);
        hash = Mix(hash ^ (record.StartedAtNs != 0 ? record.StartedAtNs : record.AtNs));
        hash = Mix(hash ^ BinaryPrimitives.ReadUInt64LittleEndian(peer.Bytes));
        hash = Mix(hash ^ BinaryPrimitives.ReadUInt64LittleEndian(peer.Bytes[8..]));
        return Mix(hash ^ record.RemotePort);
    }

    // The finaliser of splitmix64: every bit of the input moves half of the output.
    private static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }

    private static string ReadOrEmpty(string path)
    {
        try
        {
            return File.ReadAllText(path).Trim();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
