using System.Buffers.Binary;
using Sockwatch.Bpf;
using Sockwatch.Kernel;

namespace Sockwatch.Verdicts;

/// <summary>
/// The lists as the programs have them: ranges from files, replaced as a whole, and single entries that come and go. What is
/// replaced by nothing stays: there is never a moment without a list. Any thread may use it.
/// </summary>
internal sealed class KernelLists : IDisposable
{
    private readonly Lock _lock = new();
    private Maps? _maps;
    private ArrayContent<ListedRange4>? _ipv4;
    private ArrayContent<ListedRange6>? _ipv6;
    private uint _generation;
    private int _added;

    /// <summary>Another number whenever anything has changed.</summary>
    public uint Generation => Volatile.Read(ref _generation);

    /// <summary>Kernel memory of the ranges.</summary>
    public long RangeBytes
    {
        get
        {
            lock (_lock)
            {
                return (_ipv4?.Bytes ?? 0) + (_ipv6?.Bytes ?? 0);
            }
        }
    }

    public int Ranges
    {
        get
        {
            lock (_lock)
            {
                return Math.Max(0, (_ipv4?.Length ?? 1) - 1) + Math.Max(0, (_ipv6?.Length ?? 1) - 1);
            }
        }
    }

    /// <summary>From here on this object's maps are meant. They are empty.</summary>
    public void Use(BpfObject maps)
    {
        lock (_lock)
        {
            Release();
            _maps = new Maps(maps);
            _added = 0;
        }
    }

    /// <summary>Puts these ranges in the place of the ones in force.</summary>
    /// <param name="ipv4">Sorted.</param>
    /// <param name="ipv6">Sorted.</param>
    public void Replace(ReadOnlySpan<ulong> ipv4, ReadOnlySpan<VerdictEntries.Entry6> ipv6)
    {
        lock (_lock)
        {
            if (_maps is not { } maps)
            {
                return;
            }

            // Both are ready before either is put in place, and both are in place or neither.
            ArrayContent<ListedRange4>? new4 = null;
            ArrayContent<ListedRange6>? new6 = null;
            try
            {
                new4 = maps.IPv4.Create(ipv4.IsEmpty ? 1 : 1 + VerdictSweep.Over(ipv4, new RangeCounter<uint>()).Count);
                new6 = maps.IPv6.Create(ipv6.IsEmpty ? 1 : 1 + VerdictSweep.Over(ipv6, new RangeCounter<UInt128>()).Count);
                if (!ipv4.IsEmpty)
                {
                    VerdictSweep.Over(ipv4, new RangeWriter(new4.Values, []));
                }

                if (!ipv6.IsEmpty)
                {
                    VerdictSweep.Over(ipv6, new RangeWriter([], new6.Values));
                }

                Install(maps, new4, new6);
            }
            catch
            {
                new4?.Dispose();
                new6?.Dispose();
                throw;
            }

            Release();
            (_ipv4, _ipv6) = (new4, new6);
            Tell();
        }
    }

    public void Add(in NetworkPrefix prefix, Verdict verdict)
    {
        lock (_lock)
        {
            if (_maps is { } maps)
            {
                _added += maps.Added.TryLookup(prefix, out _) ? 0 : 1;
                maps.Added.Update(prefix, verdict.Word);
                Tell();
            }
        }
    }

    public void Remove(in NetworkPrefix prefix)
    {
        lock (_lock)
        {
            if (_maps is { } maps && maps.Added.Delete(prefix))
            {
                _added--;
                Tell();
            }
        }
    }

    /// <summary>What the programs would find now.</summary>
    public Verdict Find(Address16 address)
    {
        lock (_lock)
        {
            var verdict = address.IsIPv4
                ? Search4(BinaryPrimitives.ReadUInt32BigEndian(address.Bytes[12..]))
                : Search6(BinaryPrimitives.ReadUInt64BigEndian(address.Bytes), BinaryPrimitives.ReadUInt64BigEndian(address.Bytes[8..]));
            if (_added == 0 || !_maps!.Added.TryLookup(new NetworkPrefix { Length = 128, Address = address }, out var word))
            {
                return verdict;
            }

            var added = new Verdict(word);
            return (address.IsIPv4 && added.Length < 96) || (verdict.IsSaid && verdict.Length > added.Length) ? verdict : added;
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            Release();
            _maps = null;
        }
    }

    private void Install(Maps maps, ArrayContent<ListedRange4> new4, ArrayContent<ListedRange6> new6)
    {
        maps.IPv4.Install(new4);
        try
        {
            maps.IPv6.Install(new6);
        }
        catch when (_ipv4 is { } before)
        {
            maps.IPv4.Install(before);
            throw;
        }
        catch
        {
            maps.IPv4.Clear();
            throw;
        }
    }

    // Last, so that whoever sees the new generation finds the new lists.
    private void Tell() => _maps!.Listed.Update(0, new Listed
    {
        Generation = ++_generation,
        Ranges = _ipv4 is { Length: > 1 } || _ipv6 is { Length: > 1 } ? 1u : 0u,
        Added = (uint)_added,
    });

    private void Release()
    {
        _ipv4?.Dispose();
        _ipv6?.Dispose();
        (_ipv4, _ipv6) = (null, null);
    }

    private Verdict Search4(uint address)
    {
        if (_ipv4 is not { Length: > 1 } content)
        {
            return default;
        }

        var ranges = content.Values;
        var (low, high) = (1, ranges.Length - 1);
        while (low < high)
        {
            var middle = low + ((high - low + 1) / 2);
            (low, high) = ranges[middle].First <= address ? (middle, high) : (low, middle - 1);
        }

        return new Verdict(ranges[low].Verdict);
    }

    private Verdict Search6(ulong addressHigh, ulong addressLow)
    {
        if (_ipv6 is not { Length: > 1 } content)
        {
            return default;
        }

        var ranges = content.Values;
        var address = new UInt128(addressHigh, addressLow);
        var (low, high) = (1, ranges.Length - 1);
        while (low < high)
        {
            var middle = low + ((high - low + 1) / 2);
            (low, high) = ranges[middle].First <= address ? (middle, high) : (low, middle - 1);
        }

        return new Verdict(ranges[low].Verdict);
    }

    private sealed class Maps(BpfObject maps)
    {
        public ReplaceableArray<ListedRange4> IPv4 { get; } = maps.ReplaceableArray<ListedRange4>("listed4");

        public ReplaceableArray<ListedRange6> IPv6 { get; } = maps.ReplaceableArray<ListedRange6>("listed6");

        public BpfMap<NetworkPrefix, uint> Added { get; } = maps.Map<NetworkPrefix, uint>("added_verdicts");

        public BpfMap<uint, Listed> Listed { get; } = maps.Map<uint, Listed>("listed");
    }
}
