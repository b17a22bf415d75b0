using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>struct process_ancestors</c> in bpf/socket_events.h: of a process that has used a socket.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct ProcessAncestors
{
    public ulong StartedAtNs { get; init; }

    /// <summary>The parent first; 0 no more.</summary>
    public AncestorPids Pids { get; init; }
}

[InlineArray(Length)]
internal struct AncestorPids
{
    public const int Length = 14;

    private uint _first;
}
