using Sockwatch.Kernel;

namespace Sockwatch.Exporters;

/// <summary>A bounded ring of records between the reader's thread and a writer that may be slow. Allocates once.</summary>
internal sealed class FlowLogQueue(int capacity)
{
    // Monitor rather than Lock: the consumer waits on it.
    private readonly object _gate = new();
    private readonly FlowRecord[] _records = new FlowRecord[capacity];
    private int _first;
    private int _count;
    private bool _waiting;
    private bool _completed;

    /// <summary>False when there is no room. Never waits for the consumer.</summary>
    public bool TryAdd(in FlowRecord record)
    {
        lock (_gate)
        {
            if (_completed || _count == _records.Length)
            {
                return false;
            }

            var index = _first + _count;
            _records[index < _records.Length ? index : index - _records.Length] = record;
            _count++;
            if (_waiting)
            {
                _waiting = false;
                Monitor.Pulse(_gate);
            }

            return true;
        }
    }

    /// <summary>Waits for records and takes what fits. 0 means that the queue was completed and is empty.</summary>
    public int Take(Span<FlowRecord> batch)
    {
        lock (_gate)
        {
            while (_count == 0)
            {
                if (_completed)
                {
                    return 0;
                }

                _waiting = true;
                Monitor.Wait(_gate);
            }

            return TakeLocked(batch);
        }
    }

    /// <summary>Takes what is there, without waiting.</summary>
    public int TakeNow(Span<FlowRecord> batch)
    {
        lock (_gate)
        {
            return TakeLocked(batch);
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

    private int TakeLocked(Span<FlowRecord> batch)
    {
        var taken = Math.Min(batch.Length, _count);
        for (var i = 0; i < taken; i++)
        {
            batch[i] = _records[_first];
            _first = _first + 1 < _records.Length ? _first + 1 : 0;
        }

        _count -= taken;
        return taken;
    }
}
