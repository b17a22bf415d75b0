using Sockwatch.Kernel;

namespace Sockwatch.Exporters;

/// <summary>Payload that waits with its record.</summary>
internal sealed record QueuedPayload(ulong Sequence, NetworkDirection Direction, byte[] Bytes);

/// <summary>
/// A bounded ring of records between the reader's thread and a writer that may be slow. Allocates once, but for payload. The last quarter is shared out:
/// when a writer does not keep up with one noisy process, the records of the others, and detections, still find room.
/// </summary>
internal sealed class FlowLogQueue(int capacity)
{
    /// <summary>Of payload, at once. A record that would go beyond finds no room.</summary>
    public const long MaxPayloadBytes = 16 * 1024 * 1024;

    // Monitor rather than Lock: the consumer waits on it.
    private readonly object _gate = new();
    private readonly FlowRecord[] _records = new FlowRecord[capacity];
    private QueuedPayload?[]? _payloads;
    private long _payloadBytes;
    private int _first;
    private int _count;
    private readonly QueueShares _shares = new(capacity / 16);
    private bool _waiting;
    private bool _completed;
    private bool _woken;

    /// <summary>False when there is no room. Never waits for the consumer.</summary>
    public bool TryAdd(in FlowRecord record, QueuedPayload? payload = null)
    {
        lock (_gate)
        {
            if (_completed || _count == _records.Length || (payload is not null && _payloadBytes >= MaxPayloadBytes))
            {
                return false;
            }

            // Of whom nobody knows whose they are, nobody has a share.
            var isShared = record.Pid != 0 && record.Kind != RecordKind.FlowDetect;
            if (isShared && _count >= _records.Length - (_records.Length / 4) && !_shares.TryTake(record.Pid))
            {
                return false;
            }

            var index = _first + _count;
            index = index < _records.Length ? index : index - _records.Length;
            _records[index] = record;
            if (payload is not null)
            {
                (_payloads ??= new QueuedPayload?[_records.Length])[index] = payload;
                _payloadBytes += payload.Bytes.Length;
            }

            _count++;
            if (_waiting)
            {
                _waiting = false;
                Monitor.Pulse(_gate);
            }

            return true;
        }
    }

    /// <summary>Whether it was completed and is empty.</summary>
    public bool IsEnded
    {
        get
        {
            lock (_gate)
            {
                return _completed && _count == 0;
            }
        }
    }

    /// <summary>Waits for records and takes what fits. 0 means that the queue was completed and is empty, or that somebody woke who waits.</summary>
    /// <param name="payloads">As long as the batch, where there may be some; each has the place of its record.</param>
    public int Take(Span<FlowRecord> batch, Span<QueuedPayload?> payloads = default)
    {
        lock (_gate)
        {
            while (_count == 0 || _woken)
            {
                if (_completed || _woken)
                {
                    _woken = false;
                    return 0;
                }

                _waiting = true;
                Monitor.Wait(_gate);
            }

            return TakeLocked(batch, payloads);
        }
    }

    /// <summary>Takes what is there, without waiting.</summary>
    public int TakeNow(Span<FlowRecord> batch)
    {
        lock (_gate)
        {
            return TakeLocked(batch, default);
        }
    }

    /// <summary>Has the consumer take nothing, once and soon.</summary>
    public void Wake()
    {
        lock (_gate)
        {
            _woken = true;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>No more records: the consumer ends once it has taken the rest.</summary>
    public void Complete()
    {
        lock (_gate)
        {
            _completed = true;
            Monitor.PulseAll(_gate);
        }
    }

    private int TakeLocked(Span<FlowRecord> batch, Span<QueuedPayload?> payloads)
    {
        var taken = Math.Min(batch.Length, _count);
        for (var i = 0; i < taken; i++)
        {
            batch[i] = _records[_first];
            if (_payloads is not null && !payloads.IsEmpty)
            {
                payloads[i] = _payloads[_first];
                _payloadBytes -= payloads[i]?.Bytes.Length ?? 0;
                _payloads[_first] = null;
            }

            _first = _first + 1 < _records.Length ? _first + 1 : 0;
        }

        _count -= taken;
        return taken;
    }
}
