using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Sockwatch.Bpf;

internal sealed class FileDescriptor : SafeHandleMinusOneIsInvalid
{
    public FileDescriptor()
        : base(ownsHandle: true)
    {
    }

    internal FileDescriptor(int fd)
        : this() => SetHandle(fd);

    internal static FileDescriptor Open(string path)
    {
        var fd = LibC.open(path, LibC.O_CLOEXEC);
        return fd >= 0
            ? new FileDescriptor(fd)
            : throw new BpfException($"open({path})", Marshal.GetLastPInvokeError());
    }

    protected override bool ReleaseHandle() => LibC.close(handle) == 0;
}

/// <summary>A stretch of a BPF map in this process's memory.</summary>
internal sealed class MappedMemory : SafeHandleMinusOneIsInvalid
{
    private readonly nuint _length;

    internal MappedMemory(int mapFd, nint offset, nuint length, int protection)
        : base(ownsHandle: true)
    {
        _length = length;
        SetHandle(LibC.mmap(0, length, protection, LibC.MAP_SHARED, mapFd, offset));
        if (IsInvalid)
        {
            throw new BpfException("mmap", Marshal.GetLastPInvokeError());
        }
    }

    protected override bool ReleaseHandle() => LibC.munmap(handle, _length) == 0;
}
