using System.Buffers;
using Sockwatch.Diagnostics;

namespace Sockwatch.Enrichment;

/// <summary>
/// What a cgroup's path says about its owner. Container runtimes put the container's id, 64 hexadecimal digits, at the end of a
/// directory name: alone (cgroupfs drivers), or after the runtime's name and before .scope (systemd drivers). Containers
/// nest, and run systemd inside; the innermost container is the owner.
/// </summary>
internal sealed record CgroupName(string? ContainerId, string? SystemdUnit, string Parent)
{
    public const int ContainerIdLength = 64;
    public const int ShortContainerIdLength = 12;

    private static readonly SearchValues<char> HexadecimalDigits = SearchValues.Create("0123456789abcdef");

    public static CgroupName Parse(string path)
    {
        string? container = null;
        string? unit = null;
        var parentEnd = Math.Max(0, path.LastIndexOf('/'));
        foreach (var range in path.AsSpan().Split('/'))
        {
            var name = path.AsSpan()[range];
            if (ContainerIdOf(name) is { } id)
            {
                container = id;

                // A process in a child of its container's cgroup is still next to the pod's other containers.
                parentEnd = Math.Max(0, range.Start.Value - 1);
            }
            else if (name.EndsWith(".service", StringComparison.Ordinal) && !name.StartsWith("user@", StringComparison.Ordinal))
            {
                unit = PrintableText.Of(name.ToString(), EdgeNaming.MaxNameLength);
            }
        }

        return new CgroupName(container, unit, path[..parentEnd]);
    }

    private static string? ContainerIdOf(ReadOnlySpan<char> name)
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
        if (id.ContainsAnyExcept(HexadecimalDigits) || !(prefix.IsEmpty || prefix[^1] is '-' or ':'))
        {
            return null;
        }

        // conmon watches a container from outside.
        return prefix.Contains("conmon", StringComparison.Ordinal) ? null : id.ToString();
    }
}
