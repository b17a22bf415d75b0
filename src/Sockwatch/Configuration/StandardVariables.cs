using System.Collections;
using System.Collections.Immutable;
using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace Sockwatch.Configuration;

/// <summary>The variables that OpenTelemetry gives every program, and the keys they set. The weakest source: a file wins over them.</summary>
internal static class StandardVariables
{
    private const string Prefix = "OTEL_EXPORTER_OTLP_";

    /// <summary>The section of the result that holds what was said for one signal only.</summary>
    public const string SignalSection = "OtlpSignal";

    /// <summary>Set when OpenTelemetry is switched off as a whole.</summary>
    public const string DisabledKey = "OtlpDisabled";

    public static readonly ImmutableArray<string> Signals = ["Metrics", "Logs", "Traces"];

    private static readonly ImmutableArray<string> OfOneSignal =
        ["ENDPOINT", "PROTOCOL", "HEADERS", "TIMEOUT", "COMPRESSION", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"];

    /// <summary>A variable, the key it sets, and its value as the key's rule reads it; null for "has no meaning here".</summary>
    internal sealed record Variable(string Name, string Key, Func<string, string?> Translate);

    public static readonly ImmutableArray<Variable> All =
    [
        new(Prefix + "ENDPOINT", "otlp.endpoint", AsIs),
        new(Prefix + "PROTOCOL", "otlp.protocol", AsIs),
        new(Prefix + "HEADERS", "otlp.headers", AsIs),
        new(Prefix + "TIMEOUT", "otlp.timeout", Milliseconds),
        new(Prefix + "COMPRESSION", "otlp.compression", AsIs),
        new(Prefix + "CERTIFICATE", "otlp.certificate", AsIs),
        new(Prefix + "CLIENT_CERTIFICATE", "otlp.clientCertificate", AsIs),
        new(Prefix + "CLIENT_KEY", "otlp.clientKey", AsIs),
        new(Prefix + "METRICS_TEMPORALITY_PREFERENCE", "otlp.temporality", text =>
            text.Equals("lowmemory", StringComparison.OrdinalIgnoreCase) ? "delta" : text),
        new("OTEL_METRIC_EXPORT_INTERVAL", "otlp.interval", Milliseconds),
        new("OTEL_BLRP_MAX_QUEUE_SIZE", "otlp.queueLength", AsIs),
        new("OTEL_SERVICE_NAME", "otlp.serviceName", AsIs),
        new("OTEL_RESOURCE_ATTRIBUTES", "otlp.resourceAttributes", AsIs),
        new("OTEL_METRICS_EXPORTER", "otlp.metrics", OnUnlessNone),
        new("OTEL_LOGS_EXPORTER", "otlp.logs", OnUnlessNone),
        new("OTEL_TRACES_EXPORTER", "otlp.spans", OnUnlessNone),
    ];

    /// <summary>What holds for one signal only; such a variable wins over the general key.</summary>
    public static IEnumerable<(string Name, string Path, Variable General)> OfSignals()
    {
        foreach (var signal in Signals)
        {
            foreach (var name in OfOneSignal)
            {
                var general = All.Single(one => one.Name == Prefix + name);
                yield return (
                    $"{Prefix}{signal.ToUpperInvariant()}_{name}",
                    $"{SignalSection}:{signal}:{general.Key["otlp.".Length..]}",
                    general);
            }
        }
    }

    /// <summary>OTEL_SDK_DISABLED turns everything off, whatever else is set.</summary>
    public static bool Disabled(IDictionary environment) =>
        string.Equals(environment["OTEL_SDK_DISABLED"] as string, "true", StringComparison.OrdinalIgnoreCase);

    public static bool Disabled(IConfiguration configuration) => configuration[DisabledKey] is not null;

    private static string? AsIs(string text) => text;

    private static string? OnUnlessNone(string text) => text.Equals("none", StringComparison.OrdinalIgnoreCase) ? "false" : null;

    private static string? Milliseconds(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out _) ? text + "ms" : text;
}
