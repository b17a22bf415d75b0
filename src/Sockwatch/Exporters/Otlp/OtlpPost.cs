using System.Buffers.Binary;
using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using Sockwatch.Configuration;
using Sockwatch.Diagnostics;

namespace Sockwatch.Exporters.Otlp;

/// <summary>Wraps a message as its protocol asks: in a frame for gRPC, as it is for HTTP.</summary>
internal sealed class OtlpPost
{
    private const int FrameHead = 5;
    private const string ExportMetrics = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

    private readonly bool _isGrpc;
    private readonly bool _isGzip;
    private readonly Uri _address;
    private readonly List<(string Name, string Value)> _headers;

    public OtlpPost(OtlpSettings settings)
    {
        _isGrpc = settings.Protocol == OtlpProtocol.Grpc;
        _isGzip = settings.Compression == OtlpCompression.Gzip;
        _address = _isGrpc ? new Uri(settings.Endpoint.AbsoluteUri.TrimEnd('/') + ExportMetrics) : settings.Endpoint;
        _headers = [.. settings.Headers.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(KeyValue.Parse)];
    }

    public ReadOnlyMemory<byte> Body(ReadOnlyMemory<byte> message)
    {
        using var made = new MemoryStream();
        if (_isGrpc)
        {
            made.Write(stackalloc byte[FrameHead]);
        }

        if (_isGzip)
        {
            using var gzip = new GZipStream(made, CompressionLevel.Fastest, leaveOpen: true);
            gzip.Write(message.Span);
        }
        else
        {
            made.Write(message.Span);
        }

        var body = made.GetBuffer().AsMemory(0, (int)made.Length);
        if (_isGrpc)
        {
            body.Span[0] = _isGzip ? (byte)1 : (byte)0;
            BinaryPrimitives.WriteInt32BigEndian(body.Span[1..], body.Length - FrameHead);
        }

        return body;
    }

    public HttpRequestMessage Request(ReadOnlyMemory<byte> body)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, _address) { Content = new ReadOnlyMemoryContent(body) };
        request.Headers.TryAddWithoutValidation("User-Agent", OtlpSettings.UserAgent);
        foreach (var (name, value) in _headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        if (_isGrpc)
        {
            // Without TLS nothing is negotiated: either the receiver speaks HTTP/2 or it is no gRPC.
            request.Version = HttpVersion.Version20;
            request.VersionPolicy = HttpVersionPolicy.RequestVersionExact;
            request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
            if (_isGzip)
            {
                request.Headers.TryAddWithoutValidation("grpc-encoding", "gzip");
            }

            return request;
        }

        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/x-protobuf");
        if (_isGzip)
        {
            request.Content.Headers.ContentEncoding.Add("gzip");
        }

        return request;
    }
}
