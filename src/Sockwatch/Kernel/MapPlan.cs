using System.Numerics;
using Sockwatch.Bpf;

namespace Sockwatch.Kernel;

/// <summary>What one map costs the kernel, in bytes.</summary>
/// <param name="AtOnce">When it is created.</param>
/// <param name="WhenFull">With every entry in use.</param>
internal sealed record PlannedMap(string Name, long AtOnce, long WhenFull);

/// <summary>
/// The kernel memory that the maps take as they are configured, before any is created. The kernel's own bookkeeping is
/// taken from its sources, so this is right to some per cent. States of sockets are in no map's limit; they come on top.
/// </summary>
internal sealed record MapPlan(IReadOnlyList<PlannedMap> Maps, long BytesPerSocket)
{
    private const int Page = 4096;
    private const int HashBucket = 16;
    private const int HashElement = 48;
    private const int FreeListLink = 8;
    private const int TrieNode = 40;
    private const int SocketElement = 64 + 24;

    public long AtOnce => Maps.Sum(map => map.AtOnce);

    public long WhenFull => Maps.Sum(map => map.WhenFull);

    public PlannedMap? Largest => Maps.MaxBy(map => map.WhenFull);

    /// <param name="cpus">Possible processors, online or not.</param>
    public static MapPlan Of(IEnumerable<BpfMapInfo> maps, int cpus)
    {
        var planned = new List<PlannedMap>();
        var perSocket = 0L;
        foreach (var map in maps)
        {
            if (map.Type == BpfMapType.SkStorage)
            {
                perSocket += Allocation(SocketElement + map.ValueSize);
            }
            else
            {
                planned.Add(Plan(map, cpus));
            }
        }

        return new MapPlan(planned, perSocket);
    }

    private static PlannedMap Plan(BpfMapInfo map, int cpus)
    {
        var key = Align(map.KeySize);
        var value = Align(map.ValueSize);
        long fixedPart, entry;
        switch (map.Type)
        {
            case BpfMapType.RingBuffer:
                // Two pages of positions before the data.
                fixedPart = map.MaxEntries + (3 * Page);
                entry = 0;
                break;
            case BpfMapType.Hash or BpfMapType.LruHash:
                fixedPart = (long)BitOperations.RoundUpToPowerOf2((ulong)map.MaxEntries) * HashBucket;
                entry = map.IsPreallocated ? HashElement + key + value : Allocation(HashElement + key + value + FreeListLink);
                break;
            case BpfMapType.PerCpuHash or BpfMapType.LruPerCpuHash:
                fixedPart = (long)BitOperations.RoundUpToPowerOf2((ulong)map.MaxEntries) * HashBucket;
                entry = Allocation(HashElement + key + 8) + (value * cpus);
                break;
            case BpfMapType.LpmTrie:
                // A branch that two prefixes share is a node of its own.
                fixedPart = 0;
                entry = 2 * Allocation(TrieNode + map.KeySize - 4 + map.ValueSize);
                break;
            case BpfMapType.PerCpuArray:
                fixedPart = map.MaxEntries * ((value * cpus) + 8);
                entry = 0;
                break;
            default:
                fixedPart = map.MaxEntries * value;
                entry = 0;
                break;
        }

        var full = fixedPart + (entry * map.MaxEntries);
        return new PlannedMap(map.Name, map.IsPreallocated ? full : fixedPart, full);
    }

    private static long Align(int size) => (size + 7L) & ~7L;

    // kmalloc has a size for each power of two, and two in between.
    private static long Allocation(long size) => size switch
    {
        <= 64 => (long)BitOperations.RoundUpToPowerOf2((ulong)size),
        <= 96 => 96,
        <= 128 => 128,
        <= 192 => 192,
        _ => (long)BitOperations.RoundUpToPowerOf2((ulong)size),
    };
}
