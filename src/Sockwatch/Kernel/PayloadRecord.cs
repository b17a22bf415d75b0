using System.Runtime.InteropServices;

namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>struct payload_record</c> in bpf/socket_events.h: bytes of a flow's stream, which follow it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct PayloadRecord
{
    /// <summary>PAYLOAD_PIECE: bytes of one record at most.</summary>
    public const int MaxLength = 4096;

    /// <summary>Of the process that made the call.</summary>
    public FlowRecord Flow { get; init; }

    /// <summary>How many bytes of the stream came before.</summary>
    public ulong Sequence { get; init; }

    public uint Length { get; init; }

    public NetworkDirection Direction { get; init; }

    /// <summary>The same call has more, in the record after this one.</summary>
    public byte More { get; init; }

    public ushort Padding { get; init; }
}

/// <summary>Mirrors <c>struct payload_owner</c>: whose payload is not wanted.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct PayloadOwner(ulong ExecutableId, ulong CgroupId);
