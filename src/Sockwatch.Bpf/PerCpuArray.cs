using System.Buffers;

namespace Sockwatch.Bpf;

/// <summary>An array map that has each value once per CPU. The <see cref="BpfObject"/> it came from owns it.</summary>
public sealed unsafe class PerCpuArray<TValue>
    where TValue : unmanaged
{
    private readonly BpfObject _owner;
    private readonly int _fd;

    internal PerCpuArray(BpfObject owner, nint map)
    {
        _owner = owner;
        _fd = LibBpf.bpf_map__fd(map);
        Info = BpfMapInfo.Of(map);
        if (Info.Type != BpfMapType.PerCpuArray || Info.ValueSize != sizeof(TValue))
        {
            throw new InvalidOperationException(
                $"Map {Info.Name} is a {Info.Type} of {Info.ValueSize} B, not a per-CPU array of " +
                $"{typeof(TValue).Name} ({sizeof(TValue)} B).");
        }
    }

    public BpfMapInfo Info { get; }

    public int Length => (int)Info.MaxEntries;

    /// <summary>How long the span given to <see cref="Read"/> must be.</summary>
    public int CpuCount { get; } = BpfHost.PossibleCpus;

    /// <summary>Copies the value of every possible CPU.</summary>
    public void Read(int index, Span<TValue> perCpu)
    {
        ObjectDisposedException.ThrowIf(_owner.IsClosed, _owner);
        ArgumentOutOfRangeException.ThrowIfLessThan(perCpu.Length, CpuCount, nameof(perCpu));

        // The kernel pads every value to 8 bytes and writes for all CPUs at once.
        var stride = PerCpu.Stride(sizeof(TValue));
        if (stride == sizeof(TValue))
        {
            fixed (TValue* values = perCpu)
            {
                Lookup(index, values);
            }

            return;
        }

        var padded = ArrayPool<byte>.Shared.Rent(stride * CpuCount);
        fixed (byte* values = padded)
        {
            Lookup(index, values);
            for (var cpu = 0; cpu < CpuCount; cpu++)
            {
                perCpu[cpu] = *(TValue*)(values + (cpu * stride));
            }
        }

        ArrayPool<byte>.Shared.Return(padded);
    }

    private void Lookup(int index, void* values) => BpfException.ThrowIfNegative(
        LibBpf.bpf_map_lookup_elem(_fd, &index, values), $"bpf_map_lookup_elem({Info.Name}[{index}])");
}

internal static class PerCpu
{
    internal static int Stride(int valueSize) => (valueSize + 7) & ~7;
}
