namespace Sockwatch.Payload;

/// <summary>
/// The first bytes of one direction of a flow. Pieces may come out of order, when threads take turns at a socket; what counts is as far
/// as none is missing.
/// </summary>
internal sealed class StreamStart
{
    private const int SmallestBuffer = 256;

    /// <summary>Stretches apart from each other at once; one more is left out, and with it what comes after.</summary>
    private const int MaxApart = 16;

    private readonly List<(int Start, int End)> _apart = [];
    private byte[] _bytes = [];
    private int _length;

    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _length);

    /// <summary>Memory that it takes.</summary>
    public int Size => _bytes.Length;

    public void Add(ulong sequence, ReadOnlySpan<byte> bytes, int limit)
    {
        if (sequence >= (ulong)limit)
        {
            return;
        }

        var start = (int)sequence;
        bytes = bytes[..Math.Min(bytes.Length, limit - start)];
        var end = start + bytes.Length;
        var before = start > _length ? _apart.FindIndex(stretch => stretch.End == start) : -1;
        if (end <= _length || (start > _length && before < 0 && _apart.Count >= MaxApart))
        {
            return;
        }

        if (end > _bytes.Length)
        {
            Array.Resize(ref _bytes, Math.Min(limit, Math.Max(end, Math.Max(SmallestBuffer, 2 * _bytes.Length))));
        }

        // What is there already stays: it may have been shown.
        var known = Math.Max(0, _length - start);
        bytes[known..].CopyTo(_bytes.AsSpan(start + known));
        if (before >= 0)
        {
            _apart[before] = (_apart[before].Start, end);
            return;
        }

        if (start > _length)
        {
            _apart.Add((start, end));
            return;
        }

        _length = end;
        Join();
    }

    public void Forget()
    {
        _bytes = [];
        _length = 0;
        _apart.Clear();
    }

    private void Join()
    {
        for (var i = 0; i < _apart.Count; i++)
        {
            if (_apart[i].Start <= _length)
            {
                _length = Math.Max(_length, _apart[i].End);
                _apart.RemoveAt(i);
                i = -1;
            }
        }
    }
}
