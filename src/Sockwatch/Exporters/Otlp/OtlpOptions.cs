namespace Sockwatch.Exporters.Otlp;

/// <summary>What is pushed by OTLP, and how. Off until an endpoint is given.</summary>
internal sealed class OtlpOptions
{
    /// <summary>URL of the receiver; empty is off. With http/protobuf, /v1/metrics and its like are appended.</summary>
    public string Endpoint { get; set; } = "";

    public string Protocol { get; set; } = OtlpProtocol.Grpc;

    /// <summary>NAME=VALUE, values percent-encoded, sent with every request.</summary>
    public IList<string> Headers { get; } = [];

    /// <summary>File whose content is sent as bearer token; read for each request, since such tokens are renewed.</summary>
    public string BearerTokenFile { get; set; } = "";

    /// <summary>How long one request may take.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(10);

    public OtlpCompression Compression { get; set; } = OtlpCompression.Gzip;

    /// <summary>PEM file with the authorities to trust instead of the system's.</summary>
    public string Certificate { get; set; } = "";

    /// <summary>PEM file with this agent's certificate, for mutual TLS.</summary>
    public string ClientCertificate { get; set; } = "";

    /// <summary>PEM file with the key of <see cref="ClientCertificate"/>.</summary>
    public string ClientKey { get; set; } = "";

    /// <summary>NAME=VALUE, added to what the agent finds out about its host.</summary>
    public IList<string> ResourceAttributes { get; } = [];

    public string ServiceName { get; set; } = "sockwatch";

    public bool Metrics { get; set; } = true;

    /// <summary>How often metrics are sent. As often as a scraper usually comes, for queries to work alike on either path.</summary>
    public TimeSpan Interval { get; set; } = TimeSpan.FromSeconds(15);

    public OtlpTemporality Temporality { get; set; } = OtlpTemporality.Cumulative;

    public bool Logs { get; set; } = true;

    /// <summary>Of <see cref="FlowLogNames.Kinds"/>; empty is all of them.</summary>
    public IList<string> LogKinds { get; } = [];

    /// <summary>Share of flows that are sent, all records of a flow or none. Applies to logs and spans.</summary>
    public double LogSampling { get; set; } = 1;

    /// <summary>Flows that ended sooner have no end record and no span.</summary>
    public TimeSpan LogMinDuration { get; set; }

    /// <summary>Flows that carried less, both ways together, have no update, no end record and no span.</summary>
    public long LogMinBytes { get; set; }

    /// <summary>One span per ended flow.</summary>
    public bool Spans { get; set; }

    /// <summary>Records that may wait for the receiver, of logs and of spans. Past this, they are lost and counted.</summary>
    public int QueueLength { get; set; } = 16_384;

    public FlowChoice FlowChoice() => new(LogKinds, LogSampling, LogMinDuration, LogMinBytes);
}

internal static class OtlpProtocol
{
    public const string Grpc = "grpc";
    public const string HttpProtobuf = "http/protobuf";
}

internal enum OtlpCompression
{
    None,
    Gzip,
}

internal enum OtlpTemporality
{
    Cumulative,
    Delta,
}

internal enum OtlpSignal
{
    Metrics,
    Logs,
    Traces,
}
