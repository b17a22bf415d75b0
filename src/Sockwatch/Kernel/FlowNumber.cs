using System.Buffers.Binary;

namespace Sockwatch.Kernel;

/// <summary>A number for each flow of this boot, the same in every record of it, without anything being remembered.</summary>
internal static class FlowNumber
{
    public static ulong Of(in FlowRecord record)
    {
        var edge = record.Edge;
        var peer = edge.PeerAddress;
        var hash = Mix(record.SocketCookie);
        hash = Mix(hash ^ BeganAtNs(in record));
        hash = Mix(hash ^ BinaryPrimitives.ReadUInt64LittleEndian(peer.Bytes));
        hash = Mix(hash ^ BinaryPrimitives.ReadUInt64LittleEndian(peer.Bytes[8..]));
        return Mix(hash ^ record.RemotePort);
    }

    // A connection begins with the attempt, which a record before its success knows as well as one after it.
    private static ulong BeganAtNs(in FlowRecord record) => record.StartedAtNs switch
    {
        0 => record.AtNs,
        var startedAt when record.Kind == RecordKind.FlowFailed || record.Error != 0 && record.Kind == RecordKind.FlowDetect => startedAt,
        var startedAt => startedAt - record.ConnectDurationNs,
    };

    // The finaliser of splitmix64: every bit of the input moves half of the output.
    private static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
