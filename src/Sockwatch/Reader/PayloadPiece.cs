using Sockwatch.Kernel;

namespace Sockwatch.Reader;

/// <summary>Bytes of a flow's stream, as they lie in it. Dies with the call that hands it over.</summary>
/// <param name="Sequence">How many bytes of the stream came before.</param>
/// <param name="More">The same call has more, in the piece after this one.</param>
internal readonly ref struct PayloadPiece(ulong sequence, NetworkDirection direction, bool more, ReadOnlySpan<byte> bytes)
{
    public ulong Sequence { get; } = sequence;

    public NetworkDirection Direction { get; } = direction;

    public bool More { get; } = more;

    public ReadOnlySpan<byte> Bytes { get; } = bytes;
}
