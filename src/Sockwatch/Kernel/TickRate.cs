using System.Globalization;
using System.IO.Compression;

namespace Sockwatch.Kernel;

/// <summary>The kernel's ticks per second, which the programs' flush gate counts in.</summary>
internal static class TickRate
{
    /// <summary>Good enough where the kernel's configuration is not to be had: the gate then is a quarter to two and a half seconds.</summary>
    public const int Fallback = 250;

    public static int Read()
    {
        try
        {
            if (File.Exists("/proc/config.gz"))
            {
                using var packed = new GZipStream(File.OpenRead("/proc/config.gz"), CompressionMode.Decompress);
                using var text = new StreamReader(packed);
                return Parse(text);
            }

            var path = $"/boot/config-{File.ReadAllText("/proc/sys/kernel/osrelease").Trim()}";
            if (File.Exists(path))
            {
                using var text = new StreamReader(path);
                return Parse(text);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            // As good as absent.
        }

        return Fallback;
    }

    internal static int Parse(TextReader configuration)
    {
        while (configuration.ReadLine() is { } line)
        {
            if (line.StartsWith("CONFIG_HZ=", StringComparison.Ordinal)
                && int.TryParse(line.AsSpan("CONFIG_HZ=".Length), CultureInfo.InvariantCulture, out var ticks)
                && ticks is > 0 and <= 10_000)
            {
                return ticks;
            }
        }

        return Fallback;
    }
}
