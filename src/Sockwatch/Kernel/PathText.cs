using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>struct path_text</c> in bpf/socket_events.h: an executable or cgroup path, NUL-terminated.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PathText
{
    public PathCharacters Text;

    [UnscopedRef]
    public readonly ReadOnlySpan<byte> Characters
    {
        get
        {
            ReadOnlySpan<byte> characters = Text;
            var end = characters.IndexOf((byte)0);
            return end < 0 ? characters : characters[..end];
        }
    }

    /// <summary>Bytes that are not UTF-8 come out as U+FFFD.</summary>
    public override readonly string ToString() => Encoding.UTF8.GetString(Characters);
}

[InlineArray(Length)]
internal struct PathCharacters
{
    public const int Length = 512;

    private byte _first;
}
