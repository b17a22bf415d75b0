using System.Globalization;
using System.IO.Enumeration;
using System.Text;

namespace Sockwatch.Kernel;

/// <summary>
/// Has the kernel print the descriptor of every socket that a process has open (/proc/PID/fdinfo/N), for a program that watches it
/// do so: how sockets are found where there are no iterators. A walk that takes its time: a socket may be gone by its end, one
/// born meanwhile may be missing, and so may the descriptors of a thread that has a table of its own.
/// </summary>
internal sealed class ProcDescriptors(HostPaths paths)
{
    private const int LongestPath = 256;

    private readonly byte[] _text = new byte[4096];

    /// <summary>Sockets that were printed, once for each descriptor.</summary>
    public int Printed { get; private set; }

    /// <summary>Processes whose descriptors we may not see: that needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH.</summary>
    public int UnreadableProcesses { get; private set; }

    /// <summary>In ascending order: of those that share a socket, the oldest is most likely the one that made it.</summary>
    public void PrintSockets()
    {
        foreach (var pid in Numbers(paths.ProcRoot).Order())
        {
            var process = paths.Proc(pid.ToString(CultureInfo.InvariantCulture));
            try
            {
                foreach (var descriptor in Numbers(Path.Combine(process, "fd")))
                {
                    var number = descriptor.ToString(CultureInfo.InvariantCulture);
                    if (IsSocket($"{process}/fd/{number}"))
                    {
                        Print($"{process}/fdinfo/{number}");
                    }
                }
            }
            catch (UnauthorizedAccessException)
            {
                UnreadableProcesses++;
            }
            catch (IOException)
            {
                // It ended.
            }
        }
    }

    private void Print(string path)
    {
        try
        {
            using var file = File.OpenHandle(path);
            RandomAccess.Read(file, _text, 0);
            Printed++;
        }
        catch (IOException)
        {
            // It was closed.
        }
    }

    /// <summary>The entries of a folder that are numbers, without a string for each.</summary>
    private static FileSystemEnumerable<int> Numbers(string folder) => new(
        folder,
        (ref FileSystemEntry entry) => int.Parse(entry.FileName, NumberStyles.None, CultureInfo.InvariantCulture),
        new EnumerationOptions { IgnoreInaccessible = false, AttributesToSkip = 0 })
    {
        ShouldIncludePredicate = (ref FileSystemEntry entry) => int.TryParse(entry.FileName, NumberStyles.None, CultureInfo.InvariantCulture, out _),
    };

    /// <summary>Whether the link says "socket:[INODE]"; false for one that is gone.</summary>
    private static bool IsSocket(string path)
    {
        Span<byte> name = stackalloc byte[LongestPath];
        if (!Encoding.UTF8.TryGetBytes(path, name[..^1], out var length))
        {
            return false;
        }

        name[length] = 0;
        var kind = "socket:["u8;
        Span<byte> target = stackalloc byte[kind.Length];
        return LibC.readlink(in name[0], ref target[0], target.Length) == kind.Length && target.SequenceEqual(kind);
    }
}
