using System.Buffers;

namespace Sockwatch.Bpf;

/// <summary>Counts the entries of a map of any type, by reading them: the kernel keeps no count it would tell.</summary>
internal static unsafe class MapEntries
{
    private const int FirstBatch = 256;

    internal static long? Count(nint map)
    {
        var info = BpfMapInfo.Of(map);
        var fd = LibBpf.bpf_map__fd(map);
        return info.Type switch
        {
            BpfMapType.Array or BpfMapType.PerCpuArray => info.MaxEntries,
            BpfMapType.Hash or BpfMapType.LruHash or BpfMapType.PerCpuHash or BpfMapType.LruPerCpuHash =>
                CountInBatches(fd, info),
            BpfMapType.LpmTrie => CountKeys(fd, info),
            _ => null,
        };
    }

    private static long CountInBatches(int fd, BpfMapInfo info)
    {
        var entrySize = info.KeySize + (info.IsPerCpu ? PerCpu.Stride(info.ValueSize) * BpfHost.PossibleCpus : info.ValueSize);
        var capacity = FirstBatch;
        var total = 0L;
        uint cursor = 0;
        var hasStarted = false;
        var buffer = ArrayPool<byte>.Shared.Rent(capacity * entrySize);
        try
        {
            while (true)
            {
                var count = (uint)capacity;
                int result;
                fixed (byte* keys = buffer)
                {
                    var values = keys + (capacity * info.KeySize);
                    result = LibBpf.bpf_map_lookup_batch(
                        fd, hasStarted ? &cursor : null, &cursor, keys, values, &count, null);
                }

                hasStarted = true;
                switch (result)
                {
                    case -LibC.ENOSPC:
                        ArrayPool<byte>.Shared.Return(buffer);
                        capacity *= 2;
                        buffer = ArrayPool<byte>.Shared.Rent(capacity * entrySize);
                        break;
                    case -LibC.ENOENT:
                        return total + count;
                    default:
                        BpfException.ThrowIfNegative(result, $"bpf_map_lookup_batch({info.Name})");
                        total += count;
                        break;
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static long CountKeys(int fd, BpfMapInfo info)
    {
        var key = stackalloc byte[info.KeySize];
        var total = 0L;
        var result = LibBpf.bpf_map_get_next_key(fd, null, key);
        // A key deleted on the way makes the kernel start over; the bound keeps that from going on for ever.
        while (result == 0 && total < info.MaxEntries)
        {
            total++;
            result = LibBpf.bpf_map_get_next_key(fd, key, key);
        }

        return result is 0 or -LibC.ENOENT
            ? total
            : throw new BpfException($"bpf_map_get_next_key({info.Name})", -result);
    }
}
