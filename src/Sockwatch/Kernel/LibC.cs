using System.Runtime.InteropServices;

namespace Sockwatch.Kernel;

/// <summary>
/// The few C library calls .NET has no equal of. Blittable arguments only, so plain DllImport compiles ahead of time
/// without the unsafe code that its generated sibling needs.
/// </summary>
#pragma warning disable SYSLIB1054, CA2101, IDE1006, CS8981 // The generator asks for unsafe code; names are libc's.
internal static class LibC
{
    public const int ClockRealtime = 0;
    public const int ClockBoottime = 7;

    public const int Enoent = 2;
    public const int Eintr = 4;
    public const int Eagain = 11;
    public const int Enotdir = 20;
    public const int Enospc = 28;
    public const int Epipe = 32;
    public const int Edquot = 122;

    public const int OpenWriteOnly = 0x1;
    public const int OpenCreate = 0x40;
    public const int OpenAppend = 0x400;
    public const int OpenCloseOnExec = 0x80000;

    public const int SeekCurrent = 1;
    public const int SeekEnd = 2;

    public const int CurrentDirectory = -100;
    public const uint StatxInode = 0x100;

    private const string Library = "libc";

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int clock_gettime(int clock, out Timespec time);

    [DllImport(Library, ExactSpelling = true, SetLastError = true)]
    internal static extern nint write(int descriptor, in byte data, nint length);

    [DllImport(Library, ExactSpelling = true, SetLastError = true)]
    internal static extern int open(in byte path, int flags, uint mode);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int close(int descriptor);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern long lseek(int descriptor, long offset, int from);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int ftruncate(int descriptor, long length);

    /// <param name="thread">0 the calling one.</param>
    /// <param name="priority">The only member of struct sched_param.</param>
    [DllImport(Library, ExactSpelling = true, SetLastError = true)]
    internal static extern int sched_setscheduler(int thread, int policy, in int priority);

    [DllImport(Library, ExactSpelling = true, SetLastError = true)]
    internal static extern int socket(int family, int type, int protocol);

    [DllImport(Library, ExactSpelling = true, SetLastError = true)]
    internal static extern nint send(SafeHandle socket, in byte data, nint length, int flags);

    [DllImport(Library, ExactSpelling = true, SetLastError = true)]
    internal static extern nint recv(SafeHandle socket, ref byte data, nint length, int flags);

    [DllImport(Library, ExactSpelling = true, SetLastError = true)]
    internal static extern nint readlink(in byte path, ref byte target, nint length);

    /// <summary>For calls that older C libraries have no function for: takes a name, or a descriptor.</summary>
    [DllImport(Library, ExactSpelling = true, SetLastError = true)]
    internal static extern nint syscall(nint number, in byte name, nuint second, nuint third, nuint fourth, nuint fifth);

    [DllImport(Library, ExactSpelling = true, SetLastError = true)]
    internal static extern nint syscall(nint number, SafeHandle descriptor, nuint second, nuint third, nuint fourth, nuint fifth);

    [DllImport(Library, ExactSpelling = true, SetLastError = true)]
    internal static extern int capget(ref Privileges.Header header, out Privileges.Sets sets);

    [DllImport(Library, ExactSpelling = true, SetLastError = true)]
    internal static extern int capset(ref Privileges.Header header, ref Privileges.Sets sets);

    [DllImport(Library, ExactSpelling = true, SetLastError = true)]
    internal static extern int prctl(int option, nint second, nint third, nint fourth, nint fifth);

    [DllImport(Library, ExactSpelling = true, SetLastError = true)]
    internal static extern int faccessat(int directory, in byte path, int mode, int flags);

    [DllImport(Library, ExactSpelling = true, SetLastError = true)]
    internal static extern int statx(int directory, in byte path, int flags, uint mask, out FileStatus status);

    /// <summary>Returns only when it fails.</summary>
    [DllImport(Library, ExactSpelling = true, SetLastError = true)]
    internal static extern int execve(in byte path, nint arguments, nint environment);

    /// <summary>struct statx, of which two fields are of interest.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    internal readonly struct FileStatus
    {
        [FieldOffset(28)]
        public readonly ushort Mode;

        [FieldOffset(32)]
        public readonly ulong Inode;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal readonly struct Timespec
    {
        public readonly long Seconds;
        public readonly long Nanoseconds;

        public long TotalNanoseconds => (Seconds * 1_000_000_000) + Nanoseconds;
    }
}
