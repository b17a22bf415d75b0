using System.Runtime.InteropServices;

namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>struct edge_owner_key</c> in bpf/limit_structs.h: an executable in a cgroup, a whole cgroup (0), or everybody.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct EdgeOwnerKey
{
    public static readonly EdgeOwnerKey Everybody;

    public ulong CgroupId { get; init; }

    public ulong ExecutableId { get; init; }
}

/// <summary>Mirrors <c>struct edge_owner</c>: how many entries it has.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct EdgeOwner
{
    public ulong Edges { get; set; }

    public ulong Failures { get; set; }
}

/// <summary>Mirrors <c>struct process_limit</c>: what an operator leaves a process.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct ProcessLimit
{
    /// <summary>In hundredths of a second since the machine started, as /proc has it: another process may get the same pid.</summary>
    public ulong ProcessStartedAt { get; init; }

    /// <summary>CLOCK_BOOTTIME; the largest number for ever.</summary>
    public ulong UntilNs { get; init; }

    public ulong MostSockets { get; init; }

    /// <summary>That have begun since.</summary>
    public ulong Sockets { get; init; }

    /// <summary>Records that were not made.</summary>
    public ulong Withheld { get; init; }

    /// <summary>From 1 to 255, another one each time: a flow knows by which limit it has no records.</summary>
    public uint Number { get; init; }

    public uint Padding { get; init; }
}
