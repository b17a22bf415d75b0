using System.Globalization;
using System.Net;
using System.Numerics;
using Sockwatch.Payload;

namespace Sockwatch.Configuration;

/// <summary>What a setting accepts, and how it is written for the options classes.</summary>
/// <param name="Expected">Completes the sentence "expected …".</param>
/// <param name="Normalise">The value as configuration binding reads it; null when it is not acceptable.</param>
internal sealed record ValueRule(string Expected, Func<string, string?> Normalise)
{
    /// <summary>The only values there are; empty when they cannot be listed.</summary>
    public IReadOnlyList<string> Words { get; private init; } = [];

    /// <summary>Of a whole number.</summary>
    public (int Least, int Most)? Range { get; private init; }

    /// <summary>Of a size, in bytes, as it may be written without a unit.</summary>
    public (long Least, long Most)? Sizes { get; private init; }

    /// <summary>Whether a size has to be a power of two.</summary>
    public bool IsPowerOfTwo { get; private init; }

    /// <summary>Whether 0 is a value beside the range; it turns the thing off.</summary>
    public bool HasZero { get; private init; }

    public static readonly ValueRule Flag = OneOf("true", "false");

    public static readonly ValueRule Port = Whole(1, 65_535);

    public static readonly ValueRule Network = new(
        "a network such as 10.0.0.0/8 or fd00::/8",
        text => NormaliseNetwork(text));

    public static readonly ValueRule ListenAddress = new(
        "ADDRESS:PORT such as 127.0.0.1:9807 or [::1]:9807, or :PORT for every address",
        text => NormaliseListenAddress(text));

    public static readonly ValueRule LogLevel = new(
        "trace, debug, info, warn or error",
        text => text.ToUpperInvariant() switch
        {
            "TRACE" => "Trace",
            "DEBUG" => "Debug",
            "INFO" or "INFORMATION" => "Information",
            "WARN" or "WARNING" => "Warning",
            "ERROR" => "Error",
            _ => null,
        }) { Words = ["trace", "debug", "info", "warn", "error"] };

    /// <summary>A level as <see cref="LogLevel"/> has it.</summary>
    public static string Word(Microsoft.Extensions.Logging.LogLevel level) => level switch
    {
        Microsoft.Extensions.Logging.LogLevel.Trace => "trace",
        Microsoft.Extensions.Logging.LogLevel.Debug => "debug",
        Microsoft.Extensions.Logging.LogLevel.Information => "info",
        Microsoft.Extensions.Logging.LogLevel.Warning => "warn",
        _ => "error",
    };

    public static readonly ValueRule AbsolutePath = new(
        "an absolute path",
        text => text.StartsWith('/') && !text.Contains('\0') ? text : null);

    public static readonly ValueRule FlowLogTarget = new(
        "- (standard output), none, or a file name",
        text => text.Length > 0 && !text.Contains('\0') ? text : null);

    public static readonly ValueRule KeyAndValue = new(
        "NAME=VALUE, the value percent-encoded",
        text => KeyValue.IsValid(text) ? text : null);

    public static readonly ValueRule Url = new(
        "a URL such as http://collector:4317, or nothing",
        text => text.Length == 0 || (Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && url.Host.Length > 0)
            ? text
            : null);

    public static readonly ValueRule OptionalFile = new(
        "a file name, or nothing",
        text => text.Contains('\0') ? null : text);

    public static readonly ValueRule Text = new("a name, or nothing", text => text);

    public static readonly ValueRule NotEmpty = new("a name", text => text.Length > 0 ? text : null);

    public static readonly ValueRule Pattern = new(
        "a regular expression in ASCII, without lookaround and backreferences",
        text => Redaction.WhyNot(text) is null ? text : null);

    public static readonly ValueRule Share = new(
        "a number from 0 to 1",
        text => double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var share) && share is >= 0 and <= 1
            ? share.ToString(CultureInfo.InvariantCulture)
            : null);

    public static ValueRule Bytes(long least, long most, bool orZero = false) => new(
        $"a size from {Quantity.BytesText(least)} to {Quantity.BytesText(most)}{(orZero ? ", or 0" : "")}, such as 64MiB",
        text => Quantity.TryParseBytes(text, out var bytes) && ((bytes >= least && bytes <= most) || (orZero && bytes == 0))
            ? bytes.ToString(CultureInfo.InvariantCulture)
            : null) { Sizes = (least, most), HasZero = orZero };

    public static ValueRule Whole(int least, int most) => new(
        string.Create(CultureInfo.InvariantCulture, $"a whole number from {least} to {most}"),
        text => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)
            && value >= least && value <= most
                ? value.ToString(CultureInfo.InvariantCulture)
                : null) { Range = (least, most) };

    public static ValueRule PowerOfTwoBytes(int least, int most) => new(
        $"a size that is a power of two from {Quantity.BytesText(least)} to {Quantity.BytesText(most)}, such as 8MiB",
        text => Quantity.TryParseBytes(text, out var bytes) && bytes >= least && bytes <= most && BitOperations.IsPow2(bytes)
            ? bytes.ToString(CultureInfo.InvariantCulture)
            : null) { Sizes = (least, most), IsPowerOfTwo = true };

    public static ValueRule Duration(TimeSpan least, TimeSpan most, bool orZero = false) => new(
        $"a duration from {Quantity.DurationText(least)} to {Quantity.DurationText(most)}{(orZero ? ", or 0" : "")}, such as 5s or 1m30s",
        text => Quantity.TryParseDuration(text, out var duration)
            && ((duration >= least && duration <= most) || (orZero && duration == TimeSpan.Zero))
                ? duration.ToString("c", CultureInfo.InvariantCulture)
                : null) { HasZero = orZero };

    public static ValueRule OneOf(params string[] values) => new(
        values.Length == 2 ? $"{values[0]} or {values[1]}" : $"{string.Join(", ", values[..^1])} or {values[^1]}",
        text => Array.Find(values, value => value.Equals(text, StringComparison.OrdinalIgnoreCase))) { Words = values };

    // IPNetwork refuses bits set beyond the prefix; an operator who writes 10.1.2.3/8 means 10.0.0.0/8 or a typo: refuse too.
    private static string? NormaliseNetwork(string text) =>
        text.Contains('/') && IPNetwork.TryParse(text, out var network) ? network.ToString() : null;

    private static string? NormaliseListenAddress(string text)
    {
        var colon = text.LastIndexOf(':');
        if (colon < 0
            || !ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out _))
        {
            return null;
        }

        var address = text[..colon];
        if (address.Length == 0)
        {
            return text;
        }

        // The parser also takes "1", "::1" without brackets and "[::1]:80" as an address; none of them is meant here.
        var bracketed = address.StartsWith('[') && address.EndsWith(']');
        if (!IPAddress.TryParse(bracketed ? address[1..^1] : address, out var parsed)
            || bracketed != (parsed.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6)
            || (!bracketed && address.AsSpan().Count('.') != 3))
        {
            return null;
        }

        return text;
    }
}
