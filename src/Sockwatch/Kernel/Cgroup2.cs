namespace Sockwatch.Kernel;

/// <summary>The root of the version 2 cgroup hierarchy, where programs for all sockets of the machine are attached.</summary>
internal static class Cgroup2
{
    /// <exception cref="KernelException">The hierarchy is not mounted.</exception>
    public static string FindMount() => FindMount(File.ReadAllText("/proc/self/mountinfo"))
        ?? throw new KernelException("no cgroup2 file system is mounted; mount one: mount -t cgroup2 none /sys/fs/cgroup/unified");

    /// <summary>Wherever the host put it: a host on version 1 may have it aside.</summary>
    internal static string? FindMount(string mountInfo)
    {
        // "36 25 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw": the fourth field says that the root is mounted.
        foreach (var line in mountInfo.Split('\n'))
        {
            var fields = line.Split(' ');
            var separator = Array.IndexOf(fields, "-");
            if (separator > 5 && separator + 1 < fields.Length && fields[separator + 1] == "cgroup2" && fields[3] == "/")
            {
                return fields[4].Replace("\\040", " ", StringComparison.Ordinal);
            }
        }

        return null;
    }
}
