namespace Sockwatch.Kernel;

/// <summary>Where the host's own file systems are seen; a test points them at a folder of fixtures.</summary>
internal sealed class HostPaths
{
    public string ProcRoot { get; init; } = "/proc";

    public string SysRoot { get; init; } = "/sys";

    public string EtcRoot { get; init; } = "/etc";

    public string Proc(string path) => Path.Combine(ProcRoot, path);

    public string Sys(string path) => Path.Combine(SysRoot, path);

    public string Etc(string path) => Path.Combine(EtcRoot, path);

    /// <summary>The whole file without the white space around it; null when it is not there or not ours to read.</summary>
    public static string? ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path).Trim();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
