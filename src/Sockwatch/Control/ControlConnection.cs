using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Sockwatch.Control;

internal readonly record struct ControlFrame(FrameKind Kind, ReadOnlyMemory<byte> Body);

/// <summary>
/// Frames over a socket, for both sides. One reader and any number of senders at a time; a frame that was received is good until
/// the next one is asked for.
/// </summary>
internal sealed class ControlConnection(Socket socket, int maxReceivedBytes) : IControlFrames, IDisposable
{
    private const int KeptBufferBytes = 4096;

    private readonly byte[] _header = new byte[ControlProtocol.HeaderBytes];
    private readonly SemaphoreSlim _sending = new(1, 1);
    private byte[] _body = [];

    /// <summary>How long one frame may take to be sent; a client that does not read for longer is let go.</summary>
    public TimeSpan SendPatience { get; set; } = Timeout.InfiniteTimeSpan;

    /// <summary>The next frame; null when the other side has closed.</summary>
    /// <param name="patience">How long it may take to begin.</param>
    /// <param name="framePatience">How long it may take once it has begun.</param>
    /// <exception cref="ControlException">It took too long, is too big, or ends in the middle.</exception>
    public async ValueTask<ControlFrame?> ReceiveAsync(TimeSpan patience, TimeSpan framePatience, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(patience);
        try
        {
            if (await socket.ReceiveAsync(_header.AsMemory(0, 1), limit.Token).ConfigureAwait(false) == 0)
            {
                return null;
            }

            limit.CancelAfter(framePatience);
            await FillAsync(_header.AsMemory(1), limit.Token).ConfigureAwait(false);
            var length = BinaryPrimitives.ReadUInt32BigEndian(_header);
            if (length == 0)
            {
                throw new ControlException(ControlErrors.Malformed, "a frame of no length");
            }

            if (length > maxReceivedBytes)
            {
                throw new ControlException(ControlErrors.TooBig, $"a message of {length} bytes; at most {maxReceivedBytes} are taken");
            }

            var body = Body((int)length - 1);
            await FillAsync(body, limit.Token).ConfigureAwait(false);
            return new ControlFrame((FrameKind)_header[4], body);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new ControlException(ControlErrors.TimedOut, "nothing was said for too long");
        }
    }

    public ValueTask SendAsync<T>(FrameKind kind, T body, JsonTypeInfo<T> type, CancellationToken cancellation) =>
        SendAsync(kind, JsonSerializer.SerializeToUtf8Bytes(body, type), cancellation);

    public async ValueTask SendAsync(FrameKind kind, ReadOnlyMemory<byte> body, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(SendPatience);
        try
        {
            await _sending.WaitAsync(limit.Token).ConfigureAwait(false);
            try
            {
                var frame = Frame(kind, body.Span);
                for (var sent = 0; sent < frame.Length;)
                {
                    sent += await socket.SendAsync(frame.AsMemory(sent), limit.Token).ConfigureAwait(false);
                }
            }
            finally
            {
                _sending.Release();
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new ControlException(ControlErrors.TimedOut, "nothing was read for too long");
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
        {
            throw new IOException("the other side is gone", failure);
        }
    }

    public void Send(FrameKind kind, ReadOnlySpan<byte> body)
    {
        Span<byte> header = stackalloc byte[ControlProtocol.HeaderBytes];
        _sending.Wait();
        try
        {
            do
            {
                // Text may be cut anywhere; what is not text is never this long.
                var part = body[..Math.Min(body.Length, ControlProtocol.MaxAnswerBytes - ControlProtocol.HeaderBytes)];
                body = body[part.Length..];
                WriteHeader(header, kind, part.Length);
                SendAll(header);
                SendAll(part);
            }
            while (body.Length > 0);
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
        {
            throw new IOException("the other side is gone", failure);
        }
        finally
        {
            _sending.Release();
        }
    }

    public void Dispose()
    {
        socket.Dispose();

        // Not the semaphore: a sender may be on its way out of it, and it holds nothing that must be given back.
    }

    private static void WriteHeader(Span<byte> header, FrameKind kind, int bodyBytes)
    {
        BinaryPrimitives.WriteUInt32BigEndian(header, (uint)bodyBytes + 1);
        header[4] = (byte)kind;
    }

    private static byte[] Frame(FrameKind kind, ReadOnlySpan<byte> body)
    {
        var frame = new byte[ControlProtocol.HeaderBytes + body.Length];
        WriteHeader(frame, kind, body.Length);
        body.CopyTo(frame.AsSpan(ControlProtocol.HeaderBytes));
        return frame;
    }

    private Memory<byte> Body(int length)
    {
        if (_body.Length < length || (_body.Length > KeptBufferBytes && length <= KeptBufferBytes))
        {
            _body = new byte[Math.Max(length, KeptBufferBytes)];
        }

        return _body.AsMemory(0, length);
    }

    private async ValueTask FillAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        while (buffer.Length > 0)
        {
            var received = await socket.ReceiveAsync(buffer, cancellation).ConfigureAwait(false);
            if (received == 0)
            {
                throw new ControlException(ControlErrors.Malformed, "a message that ends in the middle");
            }

            buffer = buffer[received..];
        }
    }

    private void SendAll(ReadOnlySpan<byte> data)
    {
        while (data.Length > 0)
        {
            data = data[socket.Send(data)..];
        }
    }
}
