using System.IO.Compression;

namespace Sockwatch.Kernel;

/// <summary>How the running kernel was built, from /proc/config.gz or /boot; one of them is on most machines, none in a container.</summary>
internal sealed class KernelConfiguration
{
    private readonly Dictionary<string, string> _values = [];

    private KernelConfiguration()
    {
    }

    /// <summary>Such as <c>250</c> of <c>CONFIG_HZ</c> or <c>y</c> of <c>CONFIG_PREEMPT_VOLUNTARY</c>; null when it is not set or not known.</summary>
    public string? this[string option] => _values.GetValueOrDefault(option);

    /// <summary>Empty when there is nothing to read.</summary>
    public static KernelConfiguration Read(HostPaths paths, string release)
    {
        try
        {
            if (File.Exists(paths.Proc("config.gz")))
            {
                using var packed = new GZipStream(File.OpenRead(paths.Proc("config.gz")), CompressionMode.Decompress);
                using var text = new StreamReader(packed);
                return Parse(text);
            }

            var path = $"/boot/config-{release}";
            if (!release.Contains('/', StringComparison.Ordinal) && File.Exists(path))
            {
                using var text = new StreamReader(path);
                return Parse(text);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            // As good as absent.
        }

        return new KernelConfiguration();
    }

    internal static KernelConfiguration Parse(TextReader text)
    {
        var configuration = new KernelConfiguration();
        while (text.ReadLine() is { } line)
        {
            if (line.StartsWith("CONFIG_", StringComparison.Ordinal) && line.IndexOf('=', StringComparison.Ordinal) is > 0 and var at)
            {
                configuration._values[line[..at]] = line[(at + 1)..];
            }
        }

        return configuration;
    }
}
