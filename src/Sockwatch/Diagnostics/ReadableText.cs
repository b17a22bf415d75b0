using System.Globalization;

namespace Sockwatch.Diagnostics;

/// <summary>Amounts for people: about three digits and a unit.</summary>
internal static class ReadableText
{
    private static readonly string[] ByteUnits = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

    /// <summary>1234 is 1.2 kB.</summary>
    public static string Bytes(double bytes)
    {
        var unit = 0;
        while (bytes >= 999.5 && unit < ByteUnits.Length - 1)
        {
            bytes /= 1000;
            unit++;
        }

        return $"{Digits(bytes, unit == 0)} {ByteUnits[unit]}";
    }

    /// <summary>12300000 is 12.3 ms.</summary>
    public static string Duration(double ns) => ns switch
    {
        < 999.5 => $"{Digits(ns, true)} ns",
        < 999.5e3 => $"{Digits(ns / 1e3, false)} µs",
        < 999.5e6 => $"{Digits(ns / 1e6, false)} ms",
        < 99.95e9 => $"{Digits(ns / 1e9, false)} s",
        < 3600e9 => string.Create(CultureInfo.InvariantCulture, $"{(long)(ns / 60e9)} min {(long)(ns / 1e9) % 60} s"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{(long)(ns / 3600e9)} h {(long)(ns / 60e9) % 60} min"),
    };

    private static string Digits(double value, bool whole) =>
        value.ToString(whole || value >= 99.95 ? "0" : "0.#", CultureInfo.InvariantCulture);
}
