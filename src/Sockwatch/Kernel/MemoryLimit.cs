using System.Globalization;

namespace Sockwatch.Kernel;

/// <summary>What bounds the memory of this process, and so of the maps it creates: the tightest of its cgroups, or the machine.</summary>
/// <param name="Source">The file that says so.</param>
internal sealed record MemoryLimit(long Bytes, string Source)
{
    // Version 1 writes the largest number of whole pages for "no limit".
    private const long NoLimit = 1L << 60;

    /// <summary>Null when neither a cgroup nor the machine tells.</summary>
    public static MemoryLimit? Read(HostPaths paths)
    {
        var mounts = MountTable.Parse(HostPaths.ReadText(paths.Proc("self/mountinfo")) ?? "").ToList();
        MemoryLimit? tightest = OfMachine(paths);
        foreach (var line in HostPaths.ReadText(paths.Proc("self/cgroup"))?.Split('\n') ?? [])
        {
            // "0::/system.slice/sockwatch.service" and "4:memory:/docker/…"
            var fields = line.Split(':', 3);
            if (fields.Length < 3)
            {
                continue;
            }

            var isUnified = fields[0] == "0" && fields[1].Length == 0;
            if (!isUnified && !fields[1].Split(',').Contains("memory"))
            {
                continue;
            }

            // In a container the node's own hierarchy may be mounted beside ours: it lies above our root, and its root bounds nobody.
            var mount = mounts.LastOrDefault(mount => !mount.Root.StartsWith("/..", StringComparison.Ordinal) && (isUnified
                ? mount.Type == "cgroup2"
                : mount.Type == "cgroup" && mount.SuperOptions.Split(',').Contains("memory")));
            if (mount is not null && Tightest(mount, fields[2], isUnified ? "memory.max" : "memory.limit_in_bytes") is { } limit
                && (tightest is null || limit.Bytes < tightest.Bytes))
            {
                tightest = limit;
            }
        }

        return tightest;
    }

    /// <summary>Every cgroup above bounds the ones below, as far up as we can see.</summary>
    private static MemoryLimit? Tightest(Mount mount, string cgroup, string file)
    {
        // Without a cgroup namespace of our own, a bind mount shows a part while /proc/self/cgroup names the whole path.
        var below = mount.Root.Length > 1 && (cgroup + "/").StartsWith(mount.Root + "/", StringComparison.Ordinal) ? cgroup[mount.Root.Length..] : cgroup;
        MemoryLimit? tightest = null;
        for (var path = below.Trim('/'); ; path = path[..Math.Max(path.LastIndexOf('/'), 0)])
        {
            var source = Path.Combine(mount.Point, path, file);
            if (long.TryParse(HostPaths.ReadText(source), CultureInfo.InvariantCulture, out var bytes) && bytes < (tightest?.Bytes ?? NoLimit))
            {
                tightest = new MemoryLimit(bytes, source);
            }

            if (path.Length == 0)
            {
                return tightest;
            }
        }
    }

    private static MemoryLimit? OfMachine(HostPaths paths)
    {
        // "MemTotal:       24689344 kB", always the first line
        var words = HostPaths.ReadText(paths.Proc("meminfo"))?.Split('\n')[0].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return words is ["MemTotal:", var amount, ..] && long.TryParse(amount, CultureInfo.InvariantCulture, out var kibibytes)
            ? new MemoryLimit(kibibytes * 1024, paths.Proc("meminfo"))
            : null;
    }
}
