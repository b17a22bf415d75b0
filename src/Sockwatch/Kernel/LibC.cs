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

    public const int Eintr = 4;
    public const int Eagain = 11;
    public const int Epipe = 32;

    public const int OpenWriteOnly = 0x1;
    public const int OpenCreate = 0x40;
    public const int OpenAppend = 0x400;
    public const int OpenCloseOnExec = 0x80000;

    private const string Library = "libc";

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int clock_gettime(int clock, out Timespec time);

    [DllImport(Library, ExactSpelling = true, SetLastError = true)]
    internal static extern nint write(int descriptor, in byte data, nint length);

    [DllImport(Library, ExactSpelling = true, SetLastError = true)]
    internal static extern int open(in byte path, int flags, uint mode);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int close(int descriptor);

    [StructLayout(LayoutKind.Sequential)]
    internal readonly struct Timespec
    {
        public readonly long Seconds;
        public readonly long Nanoseconds;

        public long TotalNanoseconds => (Seconds * 1_000_000_000) + Nanoseconds;
    }
}
