using System.Runtime.InteropServices;

namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>struct process_identity</c> in bpf/socket_events.h: a live process that has used a socket.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct ProcessIdentity
{
    public ulong StartedAtNs { get; init; }

    public ulong ExecutableId { get; init; }

    public ulong CgroupId { get; init; }

    public uint ParentPid { get; init; }

    public uint Padding { get; init; }
}
