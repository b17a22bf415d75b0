using System.IO.Compression;

namespace Sockwatch.Exporters;

/// <summary>Passes a page on, compressed if asked to, and counts what it is made of. Does not own the stream behind it.</summary>
internal sealed class LineCounter : Stream
{
    private readonly Stream _page;
    private readonly GZipStream? _gzip;
    private long _length;
    private bool _isInLine;

    public LineCounter(Stream page, bool gzip)
    {
        _page = page;

        // Compressed as it is made: most of a page is labels that repeat, a thirtieth of it remains.
        _gzip = gzip ? new GZipStream(page, CompressionLevel.Fastest, leaveOpen: true) : null;
    }

    /// <summary>Lines that are no comment.</summary>
    public long Samples { get; private set; }

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    /// <summary>Before compression.</summary>
    public override long Length => _length;

    public override long Position
    {
        get => _length;
        set => throw new NotSupportedException();
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        Count(buffer);
        (_gzip ?? _page).Write(buffer);
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Count(buffer.Span);
        return (_gzip ?? _page).WriteAsync(buffer, cancellationToken);
    }

    /// <summary>What the compressor has not passed on yet.</summary>
    public ValueTask CompleteAsync() => _gzip?.DisposeAsync() ?? ValueTask.CompletedTask;

    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        _gzip?.Dispose();
        base.Dispose(disposing);
    }

    private void Count(ReadOnlySpan<byte> text)
    {
        _length += text.Length;
        while (!text.IsEmpty)
        {
            if (!_isInLine && text[0] != (byte)'#' && text[0] != (byte)'\n')
            {
                Samples++;
            }

            var end = text.IndexOf((byte)'\n');
            _isInLine = end < 0;
            text = end < 0 ? default : text[(end + 1)..];
        }
    }
}
