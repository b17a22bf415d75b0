using System.Runtime.InteropServices;

namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>struct edge_detection_key</c> in bpf/verdict_structs.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct EdgeDetectionKey
{
    public EdgeKey Edge { get; init; }

    /// <summary>The number of what the lists say.</summary>
    public uint Detection { get; init; }

    public uint Padding { get; init; }
}
