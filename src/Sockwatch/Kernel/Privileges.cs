using System.Runtime.InteropServices;
using System.Text;

namespace Sockwatch.Kernel;

/// <summary>
/// Lets go of every capability that the agent has no use for. Capabilities belong to a thread, and by the time that a
/// program in .NET has a say there are several, so the process executes itself anew: all threads of the new one start with
/// less, and none can get it back. The process id, the arguments, the environment and the standard streams stay.
/// </summary>
internal static class Privileges
{
    /// <summary>In the environment of the process that was executed, so that it does not try again.</summary>
    private const string Marker = "SOCKWATCH_PRIVILEGES_DROPPED";

    private const int CapabilityVersion3 = 0x20080522;
    private const int ReadBounding = 23;
    private const int DropBounding = 24;
    private const int LastCapability = 63;
    private const int AtCurrentDirectory = -100;
    private const int EffectiveUser = 0x200;
    private const int PermissionDenied = 13;

    /// <summary>Does not return when there is something to drop and it could be dropped.</summary>
    public static void KeepOnly(CapabilitySet wanted)
    {
        if (Environment.GetEnvironmentVariable(Marker) is not null)
        {
            // Nothing that we start is to take itself for trimmed.
            Environment.SetEnvironmentVariable(Marker, null);
            return;
        }

        var header = new Header(CapabilityVersion3);
        if (LibC.capget(ref header, out var had) != 0 || (had.Permitted & ~wanted.Bits) == 0)
        {
            return;
        }

        for (var capability = 0; capability <= LastCapability; capability++)
        {
            // Root's capabilities after an exec are the bounding set, so for root there is no way without CAP_SETPCAP.
            if (((wanted.Bits >> capability) & 1) == 0 && LibC.prctl(ReadBounding, capability, 0, 0, 0) == 1
                && LibC.prctl(DropBounding, capability, 0, 0, 0) != 0 && Environment.IsPrivilegedProcess)
            {
                return;
            }
        }

        var kept = Sets.Of(had.Effective & wanted.Bits, had.Permitted & wanted.Bits, had.Inheritable & wanted.Bits);
        if (LibC.capset(ref header, ref kept) == 0)
        {
            ExecuteAnew();
        }
    }

    /// <summary>Which of the files we could not read, or write, but for the capabilities that override their permissions.</summary>
    /// <param name="files">A file that is not there is no obstacle.</param>
    public static bool NeedOverride(IEnumerable<(string Path, FileAccess Access)> files)
    {
        var header = new Header(CapabilityVersion3);
        if (LibC.capget(ref header, out var had) != 0)
        {
            return false;
        }

        const ulong Overrides = (1UL << (int)Capability.DacOverride) | (1UL << (int)Capability.DacReadSearch);
        var without = Sets.Of(had.Effective & ~Overrides, had.Permitted, had.Inheritable);

        // Of this thread only, and only as long as it asks.
        if (LibC.capset(ref header, ref without) != 0)
        {
            return false;
        }

        try
        {
            return files.Any(file => IsDenied(file.Path, file.Access));
        }
        finally
        {
            _ = LibC.capset(ref header, ref had);
        }
    }

    private static bool IsDenied(string path, FileAccess access)
    {
        // R_OK is 4, W_OK is 2.
        var mode = (access.HasFlag(FileAccess.Read) ? 4 : 0) | (access.HasFlag(FileAccess.Write) ? 2 : 0);
        return LibC.faccessat(AtCurrentDirectory, Encoding.UTF8.GetBytes(path + '\0')[0], mode, EffectiveUser) != 0
            && Marshal.GetLastPInvokeError() == PermissionDenied;
    }

    private static void ExecuteAnew()
    {
        byte[] arguments, environment;
        try
        {
            // As they came, bytes that are no text among them.
            arguments = File.ReadAllBytes("/proc/self/cmdline");
            environment = [.. File.ReadAllBytes("/proc/self/environ"), .. Encoding.ASCII.GetBytes(Marker + "=1\0")];
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return;
        }

        // What is allocated here goes with the process, or stays for its life if this fails.
        _ = LibC.execve("/proc/self/exe\0"u8[0], Pointers(arguments), Pointers(environment));
    }

    /// <summary>An array of pointers to NUL-terminated strings, with a null at the end.</summary>
    private static nint Pointers(byte[] strings)
    {
        var text = Marshal.AllocHGlobal(strings.Length + 1);
        Marshal.Copy(strings, 0, text, strings.Length);
        Marshal.WriteByte(text, strings.Length, 0);
        List<nint> starts = [];
        for (var start = 0; start < strings.Length; start = Array.IndexOf(strings, (byte)0, start) is var end and >= 0 ? end + 1 : strings.Length)
        {
            starts.Add(text + start);
        }

        var pointers = Marshal.AllocHGlobal((starts.Count + 1) * nint.Size);
        Marshal.Copy([.. starts, 0], 0, pointers, starts.Count + 1);
        return pointers;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal readonly record struct Header(int Version, int Thread = 0);

    /// <summary>The kernel keeps the lower halves of all three apart from the upper ones.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal readonly record struct Sets(
        uint EffectiveLow, uint PermittedLow, uint InheritableLow, uint EffectiveHigh, uint PermittedHigh, uint InheritableHigh)
    {
        public ulong Effective => EffectiveLow | ((ulong)EffectiveHigh << 32);

        public ulong Permitted => PermittedLow | ((ulong)PermittedHigh << 32);

        public ulong Inheritable => InheritableLow | ((ulong)InheritableHigh << 32);

        public static Sets Of(ulong effective, ulong permitted, ulong inheritable) => new(
            (uint)effective, (uint)permitted, (uint)inheritable, (uint)(effective >> 32), (uint)(permitted >> 32), (uint)(inheritable >> 32));
    }
}
