using System.Buffers;
using Sockwatch.Diagnostics;

namespace Sockwatch.Enrichment;

/// <summary>
/// What a cgroup's path says about its owner. Container runtimes put the container's id, 64 hexadecimal digits, at the end of a
/// directory name: alone (cgroupfs drivers), or after the runtime's name and before .scope (systemd drivers). The kubelet puts the
/// pod's uid into a directory above. Containers nest, and run systemd inside; the innermost container is the owner.
/// </summary>
/// <param name="PodUid">As the API server writes it, or, of a pod from a file on the node, the hash in its config.hash annotation.</param>
/// <param name="Parent">The directory that a pod's containers have in common.</param>
internal sealed record CgroupName(string? ContainerId, string? PodUid, string? SystemdUnit, string Parent)
{
    public const int ContainerIdLength = 64;
    public const int ShortContainerIdLength = 12;

    public const int UuidLength = 36;
    private const int ConfigHashLength = 32;

    private static readonly SearchValues<char> ConnectionCharacters = SearchValues.Create("0123456789abcdefABCDEF.:-_");
    private static readonly SearchValues<char> HexadecimalDigits = SearchValues.Create("0123456789abcdef");

    public static CgroupName Parse(string path)
    {
        string? container = null;
        string? pod = null;
        string? unit = null;
        var parentEnd = Math.Max(0, path.LastIndexOf('/'));
        var previous = ReadOnlySpan<char>.Empty;
        foreach (var range in path.AsSpan().Split('/'))
        {
            var name = path.AsSpan()[range];
            if (PodUidOf(name) is { } uid)
            {
                // What was outside is the node's, where the node itself is a container.
                pod = uid;
                container = null;
            }

            if (ContainerIdOf(name, previous) is { } id)
            {
                container = id;

                // A process in a child of its container's cgroup is still next to the pod's other containers.
                parentEnd = Math.Max(0, range.Start.Value - 1);
            }
            else if (name.EndsWith(".service", StringComparison.Ordinal) && !name.StartsWith("user@", StringComparison.Ordinal))
            {
                unit = PrintableText.Of(UnitOf(name), EdgeNaming.MaxNameLength);
            }

            previous = name;
        }

        return new CgroupName(container, pod, unit, path[..parentEnd]);
    }

    // systemd makes an instance of a unit for each connection of a socket with Accept=yes: sshd@12-192.0.2.5:22-198.51.100.3:51234.service.
    // They are one workload, that of their template.
    private static string UnitOf(ReadOnlySpan<char> name)
    {
        var at = name.IndexOf('@');
        if (at < 0)
        {
            return name.ToString();
        }

        var instance = name[(at + 1)..^".service".Length];
        var isConnection = instance.Length > 0 && char.IsAsciiDigit(instance[0]) && instance.Count('-') >= 2 && instance.Count(':') >= 2
            && !instance.ContainsAnyExcept(ConnectionCharacters);
        return isConnection ? $"{name[..(at + 1)]}.service" : name.ToString();
    }

    private static string? ContainerIdOf(ReadOnlySpan<char> name, ReadOnlySpan<char> parent)
    {
        if (name.EndsWith(".scope", StringComparison.Ordinal))
        {
            name = name[..^".scope".Length];
        }

        if (name.Length < ContainerIdLength)
        {
            return null;
        }

        var prefix = name[..^ContainerIdLength];
        var id = name[^ContainerIdLength..];
        if (id.ContainsAnyExcept(HexadecimalDigits) || !(prefix.IsEmpty || prefix[^1] is '-' or ':' || prefix is "kata_"))
        {
            return null;
        }

        // conmon watches a container from outside; Podman's cgroupfs driver has a directory for the pod, by the pod's own id.
        return prefix.Contains("conmon", StringComparison.Ordinal) || (prefix.IsEmpty && parent is "libpod_parent") ? null : id.ToString();
    }

    // pod4a1f…: the directory of a cgroupfs driver. …-pod4a1f….slice: a systemd driver's, where a dash would be a level of its own.
    // …-pod4a1f….slice:cri-containerd:9f2c…: a runtime on cgroupfs under a kubelet on systemd.
    private static string? PodUidOf(ReadOnlySpan<char> name)
    {
        var end = name.IndexOf(".slice", StringComparison.Ordinal);
        if (end >= 0)
        {
            name = name[..end];
        }

        return name.Length switch
        {
            >= UuidLength when IsAfterPod(name[..^UuidLength], end) && UuidOf(name[^UuidLength..]) is { } uid => uid,
            >= ConfigHashLength when IsAfterPod(name[..^ConfigHashLength], end) && !name[^ConfigHashLength..].ContainsAnyExcept(HexadecimalDigits) =>
                name[^ConfigHashLength..].ToString(),
            _ => null,
        };
    }

    private static bool IsAfterPod(ReadOnlySpan<char> before, int sliceEnd) =>
        sliceEnd >= 0 ? before.EndsWith("-pod", StringComparison.Ordinal) : before is "pod";

    private static string? UuidOf(ReadOnlySpan<char> text)
    {
        Span<char> uid = stackalloc char[UuidLength];
        text.Replace(uid, '_', '-');
        return Guid.TryParseExact(uid, "D", out _) ? uid.ToString() : null;
    }
}
