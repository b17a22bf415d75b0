using System.Runtime.InteropServices;
using System.Text;

namespace Sockwatch.Kernel;

/// <summary>Whether a cgroup that has been seen is still there, by its directory in the cgroup file system.</summary>
internal sealed class CgroupPresence
{
    private const ulong Version1 = 1UL << 63;

    private readonly string? _unified;
    private readonly string? _version1;

    /// <param name="unified">The mount of the version 2 hierarchy; null when there is none to look at.</param>
    /// <param name="version1">The mount of the hierarchy that containers are told by on version 1.</param>
    public CgroupPresence(string? unified, string? version1)
    {
        _unified = unified;
        _version1 = version1;
    }

    public static CgroupPresence OfThisMachine()
    {
        var table = HostPaths.ReadText("/proc/self/mountinfo") ?? "";
        return new CgroupPresence(Unified(), Controller(table, "memory") ?? Controller(table, "pids"));
    }

    /// <summary>Null when it cannot be told.</summary>
    public bool? IsThere(ulong id, string path)
    {
        var isVersion1 = (id & Version1) != 0;
        var root = isVersion1 ? _version1 : _unified;

        // The kernel side keeps the end of a long path, and what is no UTF-8 was replaced: neither leads to the directory.
        if (root is null || !path.StartsWith('/') || path.Length >= PathCharacters.Length - 64 || path.Contains('\uFFFD', StringComparison.Ordinal))
        {
            return null;
        }

        // A unit that is started anew has the same path and another number.
        var bytes = Encoding.UTF8.GetBytes(root + path + "\0");
        return LibC.statx(LibC.CurrentDirectory, bytes[0], 0, LibC.StatxInode, out var status) == 0
            ? status.Inode == (id & ~Version1)
            : Marshal.GetLastPInvokeError() == LibC.Enoent ? false : null;
    }

    private static string? Unified()
    {
        try
        {
            return Cgroup2.FindMount();
        }
        catch (KernelException)
        {
            // Then there are no hooks there either, and names stay where they are.
            return null;
        }
    }

    private static string? Controller(string mountInfo, string name) => MountTable.Parse(mountInfo)
        .FirstOrDefault(mount => mount.Type == "cgroup" && mount.Root == "/" && mount.SuperOptions.Split(',').Contains(name))?.Point;
}
