using System.Globalization;

namespace Sockwatch.Exporters;

/// <summary>Times as flow records write them, without allocating.</summary>
internal static class FlowLogTime
{
    public const int NanosecondsLength = 30;
    public const int MicrosecondsLength = 27;

    private const int NsPerTick = 100;

    /// <summary>RFC 3339 in UTC: 2026-11-23T10:15:02.123456789Z.</summary>
    public static void FormatNanoseconds(long unixNs, Span<byte> text)
    {
        var ticks = Math.DivRem(unixNs, NsPerTick, out var rest);
        DateTime(ticks).TryFormat(text, out var written, "yyyy-MM-dd'T'HH:mm:ss'.'fffffff", CultureInfo.InvariantCulture);
        text[written] = (byte)('0' + (rest / 10));
        text[written + 1] = (byte)('0' + (rest % 10));
        text[written + 2] = (byte)'Z';
    }

    /// <summary>RFC 3339 in UTC: 2026-11-23T10:15:02.123456Z.</summary>
    public static void FormatMicroseconds(long unixNs, Span<byte> text) =>
        DateTime(unixNs / NsPerTick).TryFormat(text, out _, "yyyy-MM-dd'T'HH:mm:ss'.'ffffff'Z'", CultureInfo.InvariantCulture);

    /// <summary>UTC. Clamped: a record with a broken time must not end the writer.</summary>
    public static DateTime DateTime(long unixTicks) => System.DateTime.UnixEpoch.AddTicks(
        Math.Clamp(unixTicks, 0, System.DateTime.MaxValue.Ticks - System.DateTime.UnixEpoch.Ticks));
}
