using System.Reflection;

namespace Sockwatch.Diagnostics;

/// <summary>Which agent on which kernel.</summary>
internal sealed record BuildInfo(string Version, string Kernel)
{
    public static readonly BuildInfo Current = new(
        Shorten(typeof(BuildInfo).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown"),
        KernelRelease());

    // "0.1.0+<commit>": twelve digits of it name a commit.
    private static string Shorten(string version) =>
        version.IndexOf('+') is var plus and >= 0 && version.Length > plus + 13 ? version[..(plus + 13)] : version;

    private static string KernelRelease()
    {
        try
        {
            return File.ReadAllText("/proc/sys/kernel/osrelease").Trim();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return Environment.OSVersion.Version.ToString();
        }
    }
}
