namespace Sockwatch.Kernel;

/// <summary>How this machine arranges its cgroups, as far as our mount namespace shows it.</summary>
/// <param name="Unified">Where all of the version 2 hierarchy is mounted; null when nowhere.</param>
/// <param name="HasVersion1">Controllers of version 1 are mounted too, or alone.</param>
/// <param name="OfContainer">Where a part of the version 2 hierarchy is mounted: hooks there would see that part only.</param>
internal sealed record CgroupLayout(string? Unified, bool HasVersion1, string? OfContainer = null)
{
    public static readonly CgroupLayout None = new(null, false);

    /// <summary>v2, hybrid, v1 or none.</summary>
    public string Name => (Unified ?? OfContainer, HasVersion1) switch
    {
        (not null, false) => "v2",
        (not null, true) => "hybrid",
        (null, true) => "v1",
        _ => "none",
    };

    /// <param name="isPart">Whether the directory is a cgroup below the root; null when it is no cgroup directory at all.</param>
    public static CgroupLayout Read(string mountInfo, Func<string, bool?> isPart)
    {
        var layout = None;
        foreach (var mount in MountTable.Parse(mountInfo))
        {
            // A path may be hidden by a later mount, so what is there counts, and not the table alone.
            layout = mount.Type switch
            {
                "cgroup" => layout with { HasVersion1 = true },
                "cgroup2" => isPart(mount.Point) switch
                {
                    false => layout with { Unified = layout.Unified ?? mount.Point },
                    true => layout with { OfContainer = layout.OfContainer ?? mount.Point },
                    _ => layout,
                },
                _ => layout,
            };
        }

        return layout;
    }

    /// <summary>Inside a container's cgroup namespace even the mount table calls its own cgroup the root; the root has no type.</summary>
    public static bool? IsPart(string directory) => File.Exists(Path.Combine(directory, "cgroup.controllers"))
        ? File.Exists(Path.Combine(directory, "cgroup.type"))
        : null;
}
