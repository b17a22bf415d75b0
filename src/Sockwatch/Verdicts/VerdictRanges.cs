using System.Numerics;
using Sockwatch.Kernel;

namespace Sockwatch.Verdicts;

/// <summary>Takes ranges in order: each begins where the last one ends.</summary>
internal interface IRangeSink<TAddress>
{
    void Add(TAddress first, Verdict verdict);
}

/// <summary>
/// Cuts prefixes, which nest, into ranges that do not overlap: a sweep from the lowest address to the highest with a stack of the
/// prefixes that it is in, of which the innermost counts.
/// </summary>
internal ref struct VerdictRanges<TAddress, TSink>
    where TAddress : unmanaged, IBinaryInteger<TAddress>, IMinMaxValue<TAddress>
    where TSink : IRangeSink<TAddress>, allows ref struct
{
    // One for each length there is.
    private const int Deepest = 130;

    private readonly (TAddress Last, Verdict Verdict)[] _around = new (TAddress Last, Verdict Verdict)[Deepest];
    private TSink _sink;
    private int _depth;
    private TAddress _first = TAddress.MinValue;
    private Verdict _pending;
    private Verdict _written;
    private bool _hasWritten;

    public VerdictRanges(TSink sink)
    {
        _sink = sink;
    }

    public readonly TSink Sink => _sink;

    /// <summary>In the order of their addresses, the wider first; of two with one network the last counts.</summary>
    public void Add(TAddress first, TAddress last, Verdict verdict)
    {
        Leave(first);
        if (_depth > 0 && _around[_depth - 1].Last == last && _around[_depth - 1].Verdict.Length == verdict.Length)
        {
            _depth--;
        }

        _around[_depth++] = (last, verdict);
        Change(first, verdict);
    }

    public void Complete()
    {
        while (_depth > 0)
        {
            LeaveInnermost();
        }

        Write();
    }

    private void Leave(TAddress until)
    {
        while (_depth > 0 && _around[_depth - 1].Last < until)
        {
            LeaveInnermost();
        }
    }

    private void LeaveInnermost()
    {
        var last = _around[--_depth].Last;
        if (last != TAddress.MaxValue)
        {
            Change(last + TAddress.One, _depth > 0 ? _around[_depth - 1].Verdict : default);
        }
    }

    // A change at the address of the one before replaces it: nothing lies between.
    private void Change(TAddress first, Verdict verdict)
    {
        if (first != _first)
        {
            Write();
        }

        _first = first;
        _pending = verdict;
    }

    private void Write()
    {
        if (!_hasWritten || _pending != _written)
        {
            _sink.Add(_first, _pending);
            _written = _pending;
            _hasWritten = true;
        }
    }
}

/// <summary>The sweeps of both families.</summary>
internal static class VerdictSweep
{
    /// <param name="entries">Sorted; see <see cref="VerdictEntries.Pack"/>.</param>
    public static TSink Over<TSink>(ReadOnlySpan<ulong> entries, TSink sink)
        where TSink : IRangeSink<uint>, allows ref struct
    {
        var ranges = new VerdictRanges<uint, TSink>(sink);
        foreach (var entry in entries)
        {
            var (address, length, detection) = VerdictEntries.Unpack(entry);
            ranges.Add(address, address | (length == 0 ? uint.MaxValue : (uint)((1UL << (32 - length)) - 1)), Verdict.Of(detection, length + 96));
        }

        ranges.Complete();
        return ranges.Sink;
    }

    public static TSink Over<TSink>(ReadOnlySpan<VerdictEntries.Entry6> entries, TSink sink)
        where TSink : IRangeSink<UInt128>, allows ref struct
    {
        var ranges = new VerdictRanges<UInt128, TSink>(sink);
        foreach (ref readonly var entry in entries)
        {
            var beyond = entry.Length switch { 0 => UInt128.MaxValue, 128 => UInt128.Zero, var length => UInt128.MaxValue >> length };
            ranges.Add(entry.Address, entry.Address | beyond, Verdict.Of(entry.Detection, entry.Length));
        }

        ranges.Complete();
        return ranges.Sink;
    }

    /// <summary>By address and length; entries that are alike in these stay in their order. A radix sort, since nothing of the library's is as stable and as fast.</summary>
    public static void Sort(ulong[] entries)
    {
        var from = entries;
        var to = new ulong[entries.Length];
        Span<int> counts = stackalloc int[256];
        foreach (var shift in (ReadOnlySpan<int>)[16, 32, 40, 48, 56])
        {
            counts.Clear();
            foreach (var entry in from)
            {
                counts[(int)(entry >> shift & 0xff)]++;
            }

            var next = 0;
            for (var i = 0; i < counts.Length; i++)
            {
                (counts[i], next) = (next, next + counts[i]);
            }

            foreach (var entry in from)
            {
                to[counts[(int)(entry >> shift & 0xff)]++] = entry;
            }

            (from, to) = (to, from);
        }

        // An odd number of passes ends in the other array.
        from.CopyTo(entries.AsSpan());
    }

    public static VerdictEntries.Entry6[] Sorted(ReadOnlySpan<VerdictEntries.Entry6> entries)
    {
        var sorted = entries.ToArray();
        var order = new int[sorted.Length];
        for (var i = 0; i < order.Length; i++)
        {
            order[i] = i;
        }

        // The place in the list decides between equals.
        var unsorted = entries.ToArray();
        order.AsSpan().Sort((left, right) =>
        {
            ref readonly var one = ref unsorted[left];
            ref readonly var other = ref unsorted[right];
            var byAddress = one.Address.CompareTo(other.Address);
            return byAddress != 0 ? byAddress : one.Length != other.Length ? one.Length.CompareTo(other.Length) : left.CompareTo(right);
        });
        for (var i = 0; i < order.Length; i++)
        {
            sorted[i] = unsorted[order[i]];
        }

        return sorted;
    }
}

/// <summary>How many ranges there are.</summary>
internal struct RangeCounter<TAddress> : IRangeSink<TAddress>
{
    public int Count { get; private set; }

    public void Add(TAddress first, Verdict verdict) => Count++;
}

/// <summary>Writes ranges as the programs search them: their number, then each.</summary>
internal ref struct RangeWriter(Span<ListedRange4> ipv4, Span<ListedRange6> ipv6) : IRangeSink<uint>, IRangeSink<UInt128>
{
    private readonly Span<ListedRange4> _ipv4 = ipv4;
    private readonly Span<ListedRange6> _ipv6 = ipv6;
    private int _next = 1;

    public void Add(uint first, Verdict verdict)
    {
        _ipv4[_next] = new ListedRange4 { First = first, Verdict = verdict.Word };
        _ipv4[0] = new ListedRange4 { First = (uint)_next++ };
    }

    public void Add(UInt128 first, Verdict verdict)
    {
        _ipv6[_next] = new ListedRange6 { High = (ulong)(first >> 64), Low = (ulong)first, Verdict = verdict.Word };
        _ipv6[0] = new ListedRange6 { Low = (ulong)_next++ };
    }
}
