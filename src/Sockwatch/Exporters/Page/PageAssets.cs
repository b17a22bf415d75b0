using System.IO.Compression;
using System.Reflection;
using Sockwatch.Diagnostics;

namespace Sockwatch.Exporters.Page;

/// <summary>A file of the page: styles, script or picture.</summary>
/// <param name="Tag">Changes with the content; a browser that has it need not load it again.</param>
internal sealed record PageAsset(string ContentType, byte[] Content, byte[] Compressed, string Tag);

/// <summary>The files of the page, from inside the executable: nothing has to lie beside it, and nothing is asked of any other host.</summary>
internal static class PageAssets
{
    private const string Prefix = "Page.";

    private static readonly Lazy<IReadOnlyDictionary<string, PageAsset>> ByName = new(Load);

    /// <summary>Null when there is none of that name.</summary>
    public static PageAsset? Find(string name) => ByName.Value.GetValueOrDefault(name);

    private static Dictionary<string, PageAsset> Load()
    {
        var assembly = typeof(PageAssets).Assembly;
        return assembly.GetManifestResourceNames()
            .Where(resource => resource.StartsWith(Prefix, StringComparison.Ordinal))
            .ToDictionary(resource => resource[Prefix.Length..], resource => Read(assembly, resource));
    }

    private static PageAsset Read(Assembly assembly, string resource)
    {
        using var stream = assembly.GetManifestResourceStream(resource)!;
        var content = new byte[stream.Length];
        stream.ReadExactly(content);
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            gzip.Write(content);
        }

        return new PageAsset(
            ContentType(Path.GetExtension(resource)), content, compressed.ToArray(), $"\"{Fnv1a.Hash(content):x16}\"");
    }

    private static string ContentType(string extension) => extension switch
    {
        ".css" => "text/css; charset=utf-8",
        ".js" => "text/javascript; charset=utf-8",
        ".svg" => "image/svg+xml",
        _ => "application/octet-stream",
    };
}
