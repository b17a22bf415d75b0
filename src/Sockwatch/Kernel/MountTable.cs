using System.Text;

namespace Sockwatch.Kernel;

/// <param name="Root">What of the file system is mounted there: / is all of it, as far as our namespaces let us see.</param>
internal sealed record Mount(string Root, string Point, string Type, string SuperOptions);

/// <summary>/proc/self/mountinfo.</summary>
internal static class MountTable
{
    public static IEnumerable<Mount> Parse(string mountInfo)
    {
        // "36 25 0:31 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"
        foreach (var line in mountInfo.Split('\n'))
        {
            var fields = line.Split(' ');
            var separator = Array.IndexOf(fields, "-");
            if (separator > 5 && separator + 3 < fields.Length)
            {
                yield return new Mount(Unescape(fields[3]), Unescape(fields[4]), fields[separator + 1], fields[separator + 3]);
            }
        }
    }

    // The kernel writes space, tab, line break and backslash as three octal digits.
    private static string Unescape(string field)
    {
        if (!field.Contains('\\', StringComparison.Ordinal))
        {
            return field;
        }

        var text = new StringBuilder(field.Length);
        for (var i = 0; i < field.Length; i++)
        {
            if (field[i] == '\\' && i + 3 < field.Length && field.AsSpan(i + 1, 3).IndexOfAnyExceptInRange('0', '7') < 0)
            {
                text.Append((char)Convert.ToInt32(field.Substring(i + 1, 3), 8));
                i += 3;
            }
            else
            {
                text.Append(field[i]);
            }
        }

        return text.ToString();
    }
}
