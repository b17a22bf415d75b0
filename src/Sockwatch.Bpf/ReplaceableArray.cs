using System.Runtime.InteropServices;

namespace Sockwatch.Bpf;

/// <summary>
/// An array that programs find in the first slot of an array of maps, replaced as a whole: a program sees the old one or the new one,
/// and never anything between. The new one is filled before it is put there, by plain writes to memory.
/// </summary>
public sealed unsafe class ReplaceableArray<TValue>
    where TValue : unmanaged
{
    private const int MapFlags = LibBpf.BPF_F_MMAPABLE | LibBpf.BPF_F_INNER_MAP;

    private readonly BpfObject _owner;
    private readonly int _fd;
    private readonly string _name;

    internal ReplaceableArray(BpfObject owner, nint map)
    {
        var info = BpfMapInfo.Of(map);
        if (info.Type != BpfMapType.ArrayOfMaps)
        {
            throw new InvalidOperationException($"Map {info.Name} is no array of maps.");
        }

        _owner = owner;
        _fd = LibBpf.bpf_map__fd(map);
        _name = info.Name;
    }

    /// <summary>Memory of the kernel's, all zero, for an array of that length.</summary>
    public ArrayContent<TValue> Create(int length)
    {
        ObjectDisposedException.ThrowIf(_owner.IsClosed, _owner);
        var options = new LibBpf.bpf_map_create_opts { sz = (nuint)sizeof(LibBpf.bpf_map_create_opts), map_flags = MapFlags };
        var fd = LibBpf.bpf_map_create((uint)BpfMapType.Array, $"{_name}_ranges", sizeof(uint), (uint)sizeof(TValue), (uint)length, &options);
        BpfException.ThrowIfNegative(fd, $"bpf_map_create({_name}, {length} entries)");
        var map = new FileDescriptor(fd);
        try
        {
            return new ArrayContent<TValue>(map, length);
        }
        catch
        {
            map.Dispose();
            throw;
        }
    }

    /// <summary>From here on programs find this one. The content may be disposed of once it is replaced; until then it can be read here, and put in place again.</summary>
    public void Install(ArrayContent<TValue> content)
    {
        ObjectDisposedException.ThrowIf(_owner.IsClosed, _owner);
        uint slot = 0;
        var inner = (uint)content.Map.DangerousGetHandle();
        BpfException.ThrowIfNegative(LibBpf.bpf_map_update_elem(_fd, &slot, &inner, 0), $"bpf_map_update_elem({_name})");
    }

    /// <summary>From here on programs find none.</summary>
    public void Clear()
    {
        ObjectDisposedException.ThrowIf(_owner.IsClosed, _owner);
        uint slot = 0;
        var result = LibBpf.bpf_map_delete_elem(_fd, &slot);
        if (result != -LibC.ENOENT)
        {
            BpfException.ThrowIfNegative(result, $"bpf_map_delete_elem({_name})");
        }
    }
}

/// <summary>The memory of one such array.</summary>
public sealed unsafe class ArrayContent<TValue> : IDisposable
    where TValue : unmanaged
{
    private readonly MappedMemory _memory;

    internal ArrayContent(FileDescriptor map, int length)
    {
        Map = map;
        Length = length;

        // Elements lie at multiples of eight bytes.
        if (sizeof(TValue) % 8 != 0)
        {
            throw new InvalidOperationException($"{typeof(TValue).Name} is {sizeof(TValue)} bytes, which is no multiple of 8.");
        }

        _memory = new MappedMemory((int)map.DangerousGetHandle(), 0, (nuint)length * (nuint)sizeof(TValue), LibC.PROT_READ | LibC.PROT_WRITE);
    }

    public int Length { get; }

    /// <summary>Valid until this is disposed of, which the caller has to see to.</summary>
    public Span<TValue> Values => new((void*)_memory.DangerousGetHandle(), Length);

    public long Bytes => (long)Length * sizeof(TValue);

    internal FileDescriptor Map { get; }

    public void Dispose()
    {
        Map.Dispose();
        _memory.Dispose();
    }
}
