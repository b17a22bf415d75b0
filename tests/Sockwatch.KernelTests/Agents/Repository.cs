using System.Runtime.CompilerServices;

namespace Sockwatch.KernelTests.Agents;

/// <summary>Where the build leaves what the tests run.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    /// <summary>The agent as it ships.</summary>
    public static string Agent => Built("artifacts/agent/sockwatch", "make build");

    public static string Load(string program) => Built($"artifacts/load/{program}", "make load");

    private static string Built(string path, string target)
    {
        var full = Path.Combine(Root, path);
        return File.Exists(full) ? full : throw new FileNotFoundException($"{path} is missing: run '{target}' first.");
    }

    private static string FindRoot([CallerFilePath] string here = "")
    {
        var folder = Path.GetDirectoryName(here)!;
        while (!File.Exists(Path.Combine(folder, "Sockwatch.slnx")))
        {
            folder = Path.GetDirectoryName(folder)!;
        }

        return folder;
    }
}
