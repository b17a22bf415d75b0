using System.Runtime.CompilerServices;

namespace Sockwatch.Kernel;

// Padding is spelled out because the kernel compares whole keys: bytes that C# may leave undefined would never match.

[InlineArray(2)]
internal struct Padding2
{
    private byte _first;
}

[InlineArray(5)]
internal struct Padding5
{
    private byte _first;
}

[InlineArray(6)]
internal struct Padding6
{
    private byte _first;
}
