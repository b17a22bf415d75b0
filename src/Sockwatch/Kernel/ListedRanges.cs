using System.Runtime.InteropServices;

namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>struct listed_range4</c> in bpf/verdict_structs.h: up to the first address of the next one. The first element holds their number.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct ListedRange4
{
    public uint First { get; init; }

    public uint Verdict { get; init; }
}

/// <summary>Mirrors <c>struct listed_range6</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct ListedRange6
{
    public ulong High { get; init; }

    public ulong Low { get; init; }

    public uint Verdict { get; init; }

    public uint Padding { get; init; }

    public UInt128 First => new(High, Low);
}

/// <summary>Mirrors <c>struct listed</c>: what the programs look at first.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct Listed
{
    /// <summary>Changes whenever the lists do.</summary>
    public uint Generation { get; init; }

    /// <summary>Not 0 when there are ranges, from files.</summary>
    public uint Ranges { get; init; }

    /// <summary>Not 0 when there are entries that were added at run time.</summary>
    public uint Added { get; init; }

    public uint Padding { get; init; }
}
