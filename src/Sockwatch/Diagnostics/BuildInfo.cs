using System.Reflection;

namespace Sockwatch.Diagnostics;

/// <summary>Which agent on which kernel.</summary>
internal sealed record BuildInfo(string Version, string Kernel)
{
    public static readonly BuildInfo Current = new(
        typeof(BuildInfo).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown",
        KernelRelease());

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
