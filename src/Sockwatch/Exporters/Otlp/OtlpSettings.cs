using System.Globalization;
using Microsoft.Extensions.Configuration;
using OpenTelemetry.Exporter;
using OpenTelemetry.Resources;
using Sockwatch.Configuration;
using Sockwatch.Diagnostics;

namespace Sockwatch.Exporters.Otlp;

/// <summary>The options of one signal, with what the signal's own OTEL_EXPORTER_OTLP_… variables change.</summary>
internal sealed record OtlpSettings(
    OtlpSignal Signal,
    Uri Endpoint,
    string Protocol,
    string Headers,
    TimeSpan Timeout,
    OtlpCompression Compression,
    OtlpTrust Trust,
    string BearerTokenFile)
{
    // As the specification recommends; a receiver that takes less says so, and the request is lost and counted.
    private const int MaxRequestBytes = 64 * 1024 * 1024;

    public static string UserAgent { get; } = $"sockwatch/{BuildInfo.Current.Version.Split('+')[0]}";

    /// <summary>Whether the signal is pushed: it has an endpoint, its own or the general one, and is not switched off.</summary>
    public static bool IsOn(OtlpSignal signal, OtlpOptions options, IConfiguration configuration)
    {
        var isWanted = signal switch
        {
            OtlpSignal.Metrics => options.Metrics,
            OtlpSignal.Logs => options.Logs,
            _ => options.Spans,
        };
        var own = configuration.GetSection(StandardVariables.SignalSection).GetSection(signal.ToString());
        return isWanted && !StandardVariables.Disabled(configuration) && (options.Endpoint.Length > 0 || own["Endpoint"] is { Length: > 0 });
    }

    public static OtlpSettings Of(OtlpSignal signal, OtlpOptions options, IConfiguration configuration)
    {
        var own = configuration.GetSection(StandardVariables.SignalSection).GetSection(signal.ToString());
        var protocol = own["Protocol"] ?? options.Protocol;
        var endpoint = own["Endpoint"] is { } special ? new Uri(special) : Base(options.Endpoint, signal, protocol);
        return new OtlpSettings(
            signal,
            endpoint,
            protocol,
            own["Headers"] ?? string.Join(',', options.Headers),
            own["Timeout"] is { } timeout ? TimeSpan.Parse(timeout, CultureInfo.InvariantCulture) : options.Timeout,
            own["Compression"] is { } compression ? Enum.Parse<OtlpCompression>(compression, ignoreCase: true) : options.Compression,
            TrustOf(own, options),
            options.BearerTokenFile);
    }

    /// <summary>What is read while the agent runs, or when it starts.</summary>
    public static IEnumerable<string> Files(OtlpOptions options, IConfiguration configuration) =>
        configuration.GetSection(StandardVariables.SignalSection).GetChildren()
            .Select(own => TrustOf(own, options))
            .Append(new OtlpTrust(options.Certificate, options.ClientCertificate, options.ClientKey))
            .SelectMany(trust => (string[])[trust.Certificate, trust.ClientCertificate, trust.ClientKey])
            .Append(options.BearerTokenFile)
            .Where(path => path.Length > 0)
            .Distinct();

    private static OtlpTrust TrustOf(IConfiguration own, OtlpOptions options) => new(
        own["Certificate"] ?? options.Certificate,
        own["ClientCertificate"] ?? options.ClientCertificate,
        own["ClientKey"] ?? options.ClientKey);

    /// <summary>For the library, which would otherwise read the environment by itself.</summary>
    public OtlpExporterOptions ToLibrary(Func<HttpClient> client) => new()
    {
        Endpoint = Endpoint,
        Protocol = Protocol == OtlpProtocol.Grpc ? OtlpExportProtocol.Grpc : OtlpExportProtocol.HttpProtobuf,
        Headers = Headers.Length > 0 ? Headers : null,
        TimeoutMilliseconds = (int)Timeout.TotalMilliseconds,
        Compression = Compression == OtlpCompression.Gzip ? OtlpExportCompression.GZip : OtlpExportCompression.None,
        MaxRequestSizeBytes = MaxRequestBytes,
        UserAgentProductIdentifier = UserAgent,
        HttpClientFactory = client,
    };

    /// <summary>What all that is sent is about: this agent on this host.</summary>
    public static ResourceBuilder Resource(OtlpOptions options, BuildInfo build, Func<string, string?> environment)
    {
        // Later ones win: what was configured over what was found.
        var attributes = new Dictionary<string, object>
        {
            ["service.version"] = build.Version,
            ["host.name"] = Environment.MachineName,
            ["os.type"] = "linux",
            ["os.version"] = build.Kernel,
        };
        if ((environment("K8S_NODE_NAME") ?? environment("NODE_NAME")) is { Length: > 0 } node)
        {
            // In a pod, the name of the machine is that of the pod.
            attributes["host.name"] = node;
            attributes["k8s.node.name"] = node;
        }

        var name = options.ServiceName;
        foreach (var pair in options.ResourceAttributes)
        {
            var (key, value) = KeyValue.Parse(pair);
            attributes[key] = value;
        }

        // OTEL_SERVICE_NAME wins over a service.name among the attributes; our default does not.
        if (attributes.Remove("service.name", out var given) && name == new OtlpOptions().ServiceName)
        {
            name = (string)given;
        }

        attributes["service.name"] = name;
        attributes.TryAdd("service.instance.id", attributes["host.name"]);
        return ResourceBuilder.CreateEmpty().AddAttributes(attributes);
    }

    private static Uri Base(string endpoint, OtlpSignal signal, string protocol)
    {
        if (protocol == OtlpProtocol.Grpc)
        {
            return new Uri(endpoint);
        }

        var path = signal switch
        {
            OtlpSignal.Metrics => "v1/metrics",
            OtlpSignal.Logs => "v1/logs",
            _ => "v1/traces",
        };
        return new Uri(endpoint.EndsWith('/') ? endpoint + path : $"{endpoint}/{path}");
    }
}
