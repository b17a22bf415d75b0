using System.Buffers;
using System.Globalization;

namespace Sockwatch.Configuration;

/// <summary>Durations and sizes as people write them: 5s, 1m30s, 250ms, 8MiB.</summary>
internal static class Quantity
{
    private const long KiB = 1024;

    private static readonly SearchValues<char> NumberCharacters = SearchValues.Create("0123456789.");

    public static bool TryParseDuration(string text, out TimeSpan duration)
    {
        duration = TimeSpan.Zero;
        if (text == "0")
        {
            return true;
        }

        if (text.Contains(':'))
        {
            return TimeSpan.TryParseExact(text, ["c", @"h\:mm\:ss"], CultureInfo.InvariantCulture, out duration) && duration >= TimeSpan.Zero;
        }

        var rest = text.AsSpan();
        var total = 0m;
        var lastUnit = decimal.MaxValue;
        while (!rest.IsEmpty)
        {
            var digits = rest.IndexOfAnyExcept(NumberCharacters);
            if (digits <= 0 || digits > 12 || !decimal.TryParse(rest[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
            {
                return false;
            }

            rest = rest[digits..];
            var letters = rest.IndexOfAny(NumberCharacters) is var next and >= 0 ? next : rest.Length;
            var unit = rest[..letters] switch
            {
                "us" => 10m,
                "ms" => TimeSpan.TicksPerMillisecond,
                "s" => TimeSpan.TicksPerSecond,
                "m" => TimeSpan.TicksPerMinute,
                "h" => TimeSpan.TicksPerHour,
                "d" => TimeSpan.TicksPerDay,
                _ => 0m,
            };

            // Units must fall: "30s1m" is more likely a mistake than a duration.
            if (unit == 0 || unit >= lastUnit)
            {
                return false;
            }

            total += number * unit;
            lastUnit = unit;
            rest = rest[letters..];
        }

        if (lastUnit == decimal.MaxValue || total > long.MaxValue)
        {
            return false;
        }

        duration = TimeSpan.FromTicks((long)total);
        return true;
    }

    public static string DurationText(TimeSpan duration)
    {
        if (duration == TimeSpan.Zero)
        {
            return "0";
        }

        (string Unit, long Ticks)[] units =
        [
            ("d", TimeSpan.TicksPerDay), ("h", TimeSpan.TicksPerHour), ("m", TimeSpan.TicksPerMinute),
            ("s", TimeSpan.TicksPerSecond), ("ms", TimeSpan.TicksPerMillisecond), ("us", 10),
        ];
        var text = "";
        var rest = duration.Ticks;
        foreach (var (unit, ticks) in units)
        {
            if (rest / ticks > 0)
            {
                text += string.Create(CultureInfo.InvariantCulture, $"{rest / ticks}{unit}");
                rest %= ticks;
            }
        }

        return text;
    }

    public static bool TryParseBytes(string text, out long bytes)
    {
        bytes = 0;
        var digits = text.AsSpan().IndexOfAnyExceptInRange('0', '9') is var end and >= 0 ? end : text.Length;
        var unit = text[digits..].Trim() switch
        {
            "" or "B" => 1,
            "KiB" or "Ki" => KiB,
            "MiB" or "Mi" => KiB * KiB,
            "GiB" or "Gi" => KiB * KiB * KiB,
            _ => 0,
        };
        if (unit == 0 || digits > 12 || !long.TryParse(text.AsSpan(0, digits), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return false;
        }

        bytes = number * unit;
        return true;
    }

    public static string BytesText(long bytes) => bytes switch
    {
        >= KiB * KiB * KiB when bytes % (KiB * KiB * KiB) == 0 => string.Create(CultureInfo.InvariantCulture, $"{bytes / (KiB * KiB * KiB)}GiB"),
        >= KiB * KiB when bytes % (KiB * KiB) == 0 => string.Create(CultureInfo.InvariantCulture, $"{bytes / (KiB * KiB)}MiB"),
        >= KiB when bytes % KiB == 0 => string.Create(CultureInfo.InvariantCulture, $"{bytes / KiB}KiB"),
        _ => bytes.ToString(CultureInfo.InvariantCulture),
    };
}
