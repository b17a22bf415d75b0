using System.Buffers;
using Sockwatch.Kernel;
using Sockwatch.Reader;

namespace Sockwatch.Exporters;

/// <summary>Makes a line of a record.</summary>
internal interface IFlowLineFormat
{
    /// <summary>Whether the record has a line in this format. Cheap, and called from any thread.</summary>
    bool HasLine(in FlowRecord record);

    /// <summary>Appends one line with its line break; false when the record has no line in this format.</summary>
    bool TryWrite(in FlowRecord record, IBufferWriter<byte> lines);

    /// <summary>The same for what was sent or received.</summary>
    bool TryWrite(in FlowRecord record, QueuedPayload payload, IBufferWriter<byte> lines) => false;
}

/// <summary>
/// Carries records from the reader's thread, which must not wait, to an output, which may. What finds no room in the
/// queue or cannot be written is counted, never silent.
/// </summary>
internal sealed class FlowLogWriter(IFlowLineFormat format, IFlowLogOutput output, int queueLength, long maxLines = long.MaxValue)
    : IFlowRecordSink, IDisposable
{
    private const int BatchLength = 64;

    private readonly FlowLogQueue _queue = new(queueLength);
    private readonly ArrayBufferWriter<byte> _lines = new(64 * 1024);
    private readonly TaskCompletionSource _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _queueFull;
    private long _writeFailed;
    private long _written;
    private bool _lineIsTorn;
    private int _errno;
    private Thread? _thread;

    /// <summary>Called on the writer's thread when the output starts to fail (errno) or works again (0).</summary>
    public Action<int>? OutputChanged { get; init; }

    /// <summary>Called there as well, for each write that fails.</summary>
    public Action<int>? WriteFailing { get; init; }

    public long QueueFull => Interlocked.Read(ref _queueFull);

    public long WriteFailed => Interlocked.Read(ref _writeFailed);

    public long LinesWritten => Interlocked.Read(ref _written);

    /// <summary>Ends when all lines asked for are written, or the last record is after <see cref="StopAsync"/>.</summary>
    public Task Finished => _finished.Task;

    public void OnRecord(in FlowRecord record)
    {
        if (!_queue.TryAdd(in record) && !_finished.Task.IsCompleted)
        {
            Interlocked.Increment(ref _queueFull);
        }
    }

    public void OnPayload(in FlowRecord record, PayloadPiece piece)
    {
        var payload = new QueuedPayload(piece.Sequence, piece.Direction, piece.Bytes.ToArray());
        if (!_queue.TryAdd(in record, payload) && !_finished.Task.IsCompleted)
        {
            Interlocked.Increment(ref _queueFull);
        }
    }

    public void Start()
    {
        // Writing blocks, so it owns a thread; in the background, since a stalled pipe must not keep the process alive.
        _thread = new Thread(WriteUntilCompleted) { IsBackground = true, Name = "flow log" };
        _thread.Start();
    }

    /// <summary>Writes what is queued, for as long as <paramref name="patience"/> lasts.</summary>
    public async Task StopAsync(TimeSpan patience)
    {
        _queue.Complete();
        if (_thread is not null)
        {
            await Task.WhenAny(Finished, Task.Delay(patience)).ConfigureAwait(false);
        }
    }

    /// <summary>Lets the output see to itself, though there is nothing to write. Any thread may call it.</summary>
    public void Wake() => _queue.Wake();

    public void Dispose()
    {
        _queue.Complete();
        if (_thread is null || Finished.IsCompleted)
        {
            output.Dispose();
        }
    }

    private void WriteUntilCompleted()
    {
        try
        {
            var batch = new FlowRecord[BatchLength];
            var payloads = new QueuedPayload?[BatchLength];
            int taken;
            while (((taken = _queue.Take(batch, payloads)) > 0 || !_queue.IsEnded) && LinesWritten < maxLines)
            {
                if (taken == 0)
                {
                    output.Refresh();
                    continue;
                }

                Write(batch.AsSpan(0, taken), payloads);
                payloads.AsSpan().Clear();
            }

            _finished.TrySetResult();
        }
        catch (Exception failure) // Nobody else looks at this thread.
        {
            _finished.TrySetException(failure);
        }
        finally
        {
            _queue.Complete();
        }
    }

    private void Write(ReadOnlySpan<FlowRecord> records, ReadOnlySpan<QueuedPayload?> payloads)
    {
        _lines.ResetWrittenCount();
        if (_lineIsTorn)
        {
            _lines.Write("\n"u8);
        }

        var start = _lines.WrittenCount;
        var lines = 0;
        for (var i = 0; i < records.Length && LinesWritten + lines < maxLines; i++)
        {
            if (payloads[i] is { } payload ? format.TryWrite(in records[i], payload, _lines) : format.TryWrite(in records[i], _lines))
            {
                lines++;
            }
        }

        if (lines == 0)
        {
            return;
        }

        var data = _lines.WrittenSpan;
        var written = output.Write(data, out var errno);
        var lost = data[Math.Max(written, start)..].Count((byte)'\n');
        if (written > 0)
        {
            _lineIsTorn = data[written - 1] != '\n';
        }

        Interlocked.Add(ref _written, lines - lost);
        Interlocked.Add(ref _writeFailed, lost);
        if (errno != 0)
        {
            WriteFailing?.Invoke(errno);
        }

        if (errno != _errno)
        {
            _errno = errno;
            OutputChanged?.Invoke(errno);
        }

        if (LinesWritten >= maxLines)
        {
            _queue.Complete();
            _finished.TrySetResult();
        }
    }
}
