using Sockwatch.Diagnostics;

namespace Sockwatch.Enrichment;

/// <summary>An executable's path and its base name. A kernel thread's "path" is its name in brackets.</summary>
internal sealed record ExecutableName(string Path, string Name)
{
    // The kernel adds this when the file was replaced or removed while it ran.
    private const string DeletedMark = " (deleted)";

    // Longer than any path the kernel side keeps.
    private const int MaxPathLength = 1024;

    public static ExecutableName Parse(string path)
    {
        if (path.EndsWith(DeletedMark, StringComparison.Ordinal))
        {
            path = path[..^DeletedMark.Length];
        }

        var name = path.StartsWith('[') ? KernelThread(path) : path[(path.LastIndexOf('/') + 1)..];
        return new ExecutableName(PrintableText.Of(path, MaxPathLength), PrintableText.Of(name, EdgeNaming.MaxNameLength));
    }

    // [kworker/3:1-events] says which CPU and what work, which would be a label value each.
    private static string KernelThread(string path)
    {
        var slash = path.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? path : path[..slash] + "]";
    }
}
