using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>struct edge_key</c> in bpf/socket_events.h: who talked to whom, as far as the kernel can tell.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct EdgeKey
{
    /// <summary>Takes what finds no room in the kernel's map.</summary>
    public static readonly EdgeKey Overflow;

    public ulong CgroupId { get; init; }

    /// <summary>Perhaps with a pid in it: <see cref="Executable"/> and <see cref="Pid"/> have the two apart.</summary>
    public ulong ExecutableId { get; init; }

    public Address16 PeerAddress { get; init; }

    /// <summary>The serving side's port, in host byte order.</summary>
    public ushort ServerPort { get; init; }

    public NetworkRole Role { get; init; }

    /// <summary>See <see cref="TransportProtocol"/>.</summary>
    public byte Transport { get; init; }

    /// <summary>4 or 6, by the addresses in use.</summary>
    public byte NetworkType { get; init; }

    /// <summary>How the edge is folded, in a socket's own key only: no key of a map has it.</summary>
    public byte Folded { get; init; }

    public Padding2 Padding { get; init; }

    public ulong Executable => EdgeProcess.ExecutableOf(ExecutableId);

    /// <summary>Of the process that owns the sockets; 0 unless edges are told apart by it.</summary>
    public uint Pid => EdgeProcess.PidOf(ExecutableId);

    public bool IsOverflow => Equals(Overflow);

    /// <summary>Takes what its owner, or its owner's cgroup, has too much of: it has no peer, and no transport, which any other has.</summary>
    public bool IsOwnersOverflow => Transport == 0 && !IsOverflow;

    // Five words at once: these two run for every edge of every collection.
    public bool Equals(EdgeKey other)
    {
        var left = Words(in this);
        var right = Words(in other);
        return left[4] == right[4] && left[3] == right[3] && left[2] == right[2] && left[1] == right[1] && left[0] == right[0];
    }

    public override int GetHashCode()
    {
        var words = Words(in this);
        var hash = words[0] * 0x9E3779B97F4A7C15;
        hash = (hash ^ (hash >> 32) ^ words[1]) * 0xBF58476D1CE4E5B9;
        hash = (hash ^ (hash >> 29) ^ words[2]) * 0x94D049BB133111EB;
        hash = (hash ^ (hash >> 31) ^ words[3]) * 0x9E3779B97F4A7C15;
        hash = (hash ^ (hash >> 30) ^ words[4]) * 0xBF58476D1CE4E5B9;
        return (int)(hash ^ (hash >> 32));
    }

    private static ReadOnlySpan<ulong> Words(ref readonly EdgeKey key) =>
        MemoryMarshal.CreateReadOnlySpan(ref Unsafe.As<EdgeKey, ulong>(ref Unsafe.AsRef(in key)), 5);
}
