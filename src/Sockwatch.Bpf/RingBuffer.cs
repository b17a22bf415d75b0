namespace Sockwatch.Bpf;

public interface IRecordConsumer
{
    /// <summary>The span points into kernel memory and dies when this call returns.</summary>
    void OnRecord(ReadOnlySpan<byte> record);
}

/// <summary>
/// The user-space end of a BPF ring buffer, for one thread. Reads by its own clock instead of waiting for the kernel's
/// wake-ups, which would cost the sending application far more than the record itself. The kernel writes records in
/// order and marks one that is still being written as busy; the data is mapped twice in a row, so that none wraps.
/// </summary>
public sealed unsafe class RingBuffer : IDisposable
{
    private readonly MappedMemory _consumer;
    private readonly MappedMemory _producer;
    private readonly ulong* _consumerPosition;
    private readonly ulong* _producerPosition;
    private readonly byte* _data;
    private readonly ulong _mask;

    internal RingBuffer(nint map)
    {
        var info = BpfMapInfo.Of(map);
        if (info.Type != BpfMapType.RingBuffer)
        {
            throw new InvalidOperationException($"Map {info.Name} is a {info.Type}, not a ring buffer.");
        }

        var fd = LibBpf.bpf_map__fd(map);
        var page = (nuint)Environment.SystemPageSize;
        Size = info.MaxEntries;
        _mask = (ulong)Size - 1;
        _consumer = new MappedMemory(fd, 0, page, LibC.PROT_READ | LibC.PROT_WRITE);
        try
        {
            _producer = new MappedMemory(fd, (nint)page, page + (2 * (nuint)Size), LibC.PROT_READ);
        }
        catch
        {
            _consumer.Dispose();
            throw;
        }

        _consumerPosition = (ulong*)_consumer.DangerousGetHandle();
        _producerPosition = (ulong*)_producer.DangerousGetHandle();
        _data = (byte*)_producer.DangerousGetHandle() + page;
    }

    /// <summary>Bytes the buffer holds when full.</summary>
    public long Size { get; }

    /// <summary>Bytes waiting to be read, headers and padding included.</summary>
    public long Available()
    {
        using var use = new Use(this);
        return (long)(Volatile.Read(ref *_producerPosition) - Volatile.Read(ref *_consumerPosition));
    }

    /// <summary>
    /// Hands over the records that are ready, at most <paramref name="max"/> of them, and frees the room of each once
    /// its call returns or throws. Returns how many there were.
    /// </summary>
    public int Drain(IRecordConsumer consumer, int max = int.MaxValue)
    {
        using var use = new Use(this);
        var position = *_consumerPosition; // Nobody else writes it.
        var records = 0;
        while (records < max && position < Volatile.Read(ref *_producerPosition))
        {
            // Acquire: the record's bytes are complete once its busy bit is seen gone.
            var header = _data + (position & _mask);
            var length = Volatile.Read(ref *(uint*)header);
            if ((length & LibBpf.BPF_RINGBUF_BUSY_BIT) != 0)
            {
                break;
            }

            var size = (int)(length & ~LibBpf.BPF_RINGBUF_DISCARD_BIT);
            position += ((ulong)size + LibBpf.BPF_RINGBUF_HDR_SZ + 7) & ~7ul;
            try
            {
                if ((length & LibBpf.BPF_RINGBUF_DISCARD_BIT) == 0)
                {
                    records++;
                    consumer.OnRecord(new ReadOnlySpan<byte>(header + LibBpf.BPF_RINGBUF_HDR_SZ, size));
                }
            }
            finally
            {
                // Release: the kernel may overwrite the record from here on.
                Volatile.Write(ref *_consumerPosition, position);
            }
        }

        return records;
    }

    public void Dispose()
    {
        _producer.Dispose();
        _consumer.Dispose();
    }

    /// <summary>Keeps the memory mapped while it is read, should another thread dispose the buffer meanwhile.</summary>
    private readonly ref struct Use : IDisposable
    {
        private readonly RingBuffer _ring;

        internal Use(RingBuffer ring)
        {
            _ring = ring;
            var added = false;
            ring._producer.DangerousAddRef(ref added);
            ring._consumer.DangerousAddRef(ref added);
        }

        public void Dispose()
        {
            _ring._consumer.DangerousRelease();
            _ring._producer.DangerousRelease();
        }
    }
}
