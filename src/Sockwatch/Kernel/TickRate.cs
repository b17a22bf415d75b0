using System.Globalization;

namespace Sockwatch.Kernel;

/// <summary>The kernel's ticks per second, which the programs' flush gate counts in.</summary>
internal static class TickRate
{
    /// <summary>Good enough where the kernel's configuration is not to be had: the gate then is a quarter to two and a half seconds.</summary>
    public const int Fallback = 250;

    public static int Of(KernelConfiguration configuration) =>
        int.TryParse(configuration["CONFIG_HZ"], CultureInfo.InvariantCulture, out var ticks) && ticks is > 0 and <= 10_000 ? ticks : Fallback;
}
