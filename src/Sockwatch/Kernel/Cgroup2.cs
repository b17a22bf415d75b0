using Microsoft.Win32.SafeHandles;

namespace Sockwatch.Kernel;

/// <summary>The root of the version 2 cgroup hierarchy, where programs for all sockets of the machine are attached.</summary>
internal static class Cgroup2
{
    // The same numbers on every architecture.
    private const int FsOpen = 430;
    private const int FsConfig = 431;
    private const int FsMount = 432;
    private const nuint CloseOnExec = 1;
    private const nuint Create = 6;

    private static readonly Lock s_lock = new();
    private static SafeFileHandle? s_private;

    /// <summary>
    /// A directory to attach to, wherever the host put it: a host on version 1 may have it aside. Where it is nowhere, the
    /// agent mounts it for itself, at no path, so that nobody else gets to see it.
    /// </summary>
    /// <exception cref="KernelException">It cannot be had, or only a container's part of it.</exception>
    public static string FindMount()
    {
        var layout = CgroupLayout.Read(File.ReadAllText("/proc/self/mountinfo"), CgroupLayout.IsPart);
        return layout.Unified ?? (WhyNot(layout) is { } refusal ? throw new KernelException(refusal.Reason) : PrivateMount()!);
    }

    /// <summary>Why no program can be attached there; null when it can.</summary>
    public static Refusal? WhyNot(CgroupLayout layout) => layout switch
    {
        { Unified: not null } => null,
        { OfContainer: { } part } => new Refusal(
            $"{part} shows the cgroups of this container only",
            "mount the host's /sys/fs/cgroup there (hostPath), or use the host's cgroup namespace (--cgroupns=host)"),
        _ => PrivateMount() is not null
            ? null
            : new Refusal(
                "no cgroup2 file system is mounted, and mounting one takes CAP_SYS_ADMIN in the host's cgroup namespace",
                "mount -t cgroup2 none /sys/fs/cgroup/unified"),
    };

    private static string? PrivateMount()
    {
        lock (s_lock)
        {
            s_private ??= Mount();
            return s_private is null ? null : $"/proc/self/fd/{s_private.DangerousGetHandle()}";
        }
    }

    private static SafeFileHandle? Mount()
    {
        using var context = new SafeFileHandle(LibC.syscall(FsOpen, "cgroup2\0"u8[0], CloseOnExec, 0, 0, 0), ownsHandle: true);
        if (context.IsInvalid || LibC.syscall(FsConfig, context, Create, 0, 0, 0) != 0)
        {
            return null;
        }

        var root = new SafeFileHandle(LibC.syscall(FsMount, context, CloseOnExec, 0, 0, 0), ownsHandle: true);
        if (!root.IsInvalid && CgroupLayout.IsPart($"/proc/self/fd/{root.DangerousGetHandle()}") == false)
        {
            return root;
        }

        root.Dispose();
        return null;
    }
}
