using System.Globalization;

namespace Sockwatch.Kernel;

/// <summary>Names of the kernel and where they are, from /proc/kallsyms.</summary>
internal static class KernelSymbols
{
    /// <summary>Those that are there. The address is 0 for who may not see it.</summary>
    /// <exception cref="IOException">There is no such file.</exception>
    public static Dictionary<string, ulong> Read(HostPaths paths, IReadOnlySet<string> wanted)
    {
        var names = wanted.GetAlternateLookup();
        var found = new Dictionary<string, ulong>();
        foreach (var line in File.ReadLines(paths.Proc("kallsyms")))
        {
            // "ffffffff81a2b3c0 T inet_sendmsg", and for modules "\t[name]" after it.
            var text = line.AsSpan();
            var space = text.IndexOf(' ');
            if (space > 0 && text.Length > space + 3)
            {
                var name = text[(space + 3)..];
                var tab = name.IndexOf('\t');
                name = tab < 0 ? name : name[..tab];
                if (names(name) && ulong.TryParse(text[..space], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var address))
                {
                    found.TryAdd(name.ToString(), address);
                }
            }
        }

        return found;
    }

    private static Func<ReadOnlySpan<char>, bool> GetAlternateLookup(this IReadOnlySet<string> names)
    {
        var lookup = names.ToHashSet().GetAlternateLookup<ReadOnlySpan<char>>();
        return name => lookup.Contains(name);
    }
}
