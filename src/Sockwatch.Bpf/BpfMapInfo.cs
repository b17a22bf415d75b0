namespace Sockwatch.Bpf;

/// <summary>The kernel's <c>enum bpf_map_type</c>, as far as it matters here.</summary>
public enum BpfMapType
{
    Hash = 1,
    Array = 2,
    PerCpuHash = 5,
    PerCpuArray = 6,
    LruHash = 9,
    LruPerCpuHash = 10,
    LpmTrie = 11,
    ArrayOfMaps = 12,
    SkStorage = 24,
    RingBuffer = 27,
}

/// <summary>What a map is and how much it may hold.</summary>
/// <param name="IsPreallocated">Room for every entry is taken when the map is created; else entries take it as they come.</param>
public sealed record BpfMapInfo(
    string Name, BpfMapType Type, int KeySize, int ValueSize, long MaxEntries, bool IsPreallocated = true)
{
    internal bool IsPerCpu => Type is BpfMapType.PerCpuHash or BpfMapType.PerCpuArray or BpfMapType.LruPerCpuHash;

    internal static unsafe BpfMapInfo Of(nint map) => new(
        LibBpf.Text(LibBpf.bpf_map__name(map)),
        (BpfMapType)LibBpf.bpf_map__type(map),
        (int)LibBpf.bpf_map__key_size(map),
        (int)LibBpf.bpf_map__value_size(map),
        LibBpf.bpf_map__max_entries(map),
        (LibBpf.bpf_map__map_flags(map) & LibBpf.BPF_F_NO_PREALLOC) == 0);
}
