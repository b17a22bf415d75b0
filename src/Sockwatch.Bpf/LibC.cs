using System.Runtime.InteropServices;

namespace Sockwatch.Bpf;

/// <summary>What libbpf leaves to its caller. Constants are those of Linux on x86-64 and arm64.</summary>
internal static unsafe partial class LibC
{
    internal const string Library = "libc";

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    internal static partial int open(string path, int flags);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int close(nint fd);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint read(FileDescriptor fd, byte* buffer, nuint count);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint mmap(nint address, nuint length, int protection, int flags, int fd, nint offset);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int munmap(nint address, nuint length);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int setrlimit(int resource, rlimit64* limit);

    // va_list is an array on x86-64 and a struct passed by reference on arm64: a pointer either way.
    [LibraryImport(Library)]
    internal static partial int vsnprintf(byte* buffer, nuint size, byte* format, void* arguments);

    // The C library has no function of that name.
    [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true)]
    private static partial nint syscall(nint number, perf_event_attr* attributes, nint pid, nint cpu, nint group, nint flags);

    internal static int perf_event_open(perf_event_attr* attributes, int pid, int cpu) => (int)syscall(
        RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 241 : 298, attributes, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

    private const int PERF_FLAG_FD_CLOEXEC = 8;

    internal const int O_CLOEXEC = 0x80000;
    internal const int PROT_READ = 1;
    internal const int PROT_WRITE = 2;
    internal const int MAP_SHARED = 1;
    internal const int RLIMIT_MEMLOCK = 8;

    internal const int ENOENT = 2;
    internal const int EINTR = 4;
    internal const int EAGAIN = 11;
    internal const int EEXIST = 17;
    internal const int EINVAL = 22;
    internal const int ENOSPC = 28;
    internal const int ENOTSUPP = 524;

    /// <summary>The first version of the struct: 64 bytes, of which the rest may stay zero here.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 64)]
    internal struct perf_event_attr
    {
        public uint type;
        public uint size;
        public ulong config;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct rlimit64
    {
        public ulong current;
        public ulong maximum;
    }
}
