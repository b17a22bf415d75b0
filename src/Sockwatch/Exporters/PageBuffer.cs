using System.Buffers;

namespace Sockwatch.Exporters;

/// <summary>
/// Holds one page in rented pieces, so that a page of many megabytes neither moves while it grows nor stays in memory after
/// it is sent. Written once, then copied out.
/// </summary>
internal sealed class PageBuffer : Stream
{
    private const int PieceSize = 64 * 1024;

    private readonly List<byte[]> _pieces = [];
    private int _free;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => ((long)_pieces.Count * PieceSize) - _free;

    public override long Position
    {
        get => Length;
        set => throw new NotSupportedException();
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            if (_free == 0)
            {
                _pieces.Add(ArrayPool<byte>.Shared.Rent(PieceSize));
                _free = PieceSize;
            }

            var count = Math.Min(_free, buffer.Length);
            buffer[..count].CopyTo(_pieces[^1].AsSpan(PieceSize - _free));
            _free -= count;
            buffer = buffer[count..];
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void WriteByte(byte value) => Write([value]);

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        Write(buffer.AsSpan(offset, count));
        return Task.CompletedTask;
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public async Task SendToAsync(Stream destination, CancellationToken cancellation)
    {
        var left = Length;
        foreach (var piece in _pieces)
        {
            var count = (int)Math.Min(left, PieceSize);
            await destination.WriteAsync(piece.AsMemory(0, count), cancellation).ConfigureAwait(false);
            left -= count;
        }
    }

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        foreach (var piece in _pieces)
        {
            ArrayPool<byte>.Shared.Return(piece);
        }

        _pieces.Clear();
        _free = 0;
        base.Dispose(disposing);
    }
}
