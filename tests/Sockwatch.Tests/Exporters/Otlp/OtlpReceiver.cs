using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.IO.Compression;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;

namespace Sockwatch.Tests.Exporters.Otlp;

/// <summary>A receiver of OTLP on a real socket, over gRPC or HTTP, that a test can make misbehave.</summary>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    private readonly WebApplication _server;
    private readonly bool _isGrpc;

    private OtlpReceiver(WebApplication server, bool isGrpc)
    {
        _server = server;
        _isGrpc = isGrpc;
    }

    public string Endpoint => _server.Urls.First();

    public int Port => new Uri(Endpoint).Port;

    /// <summary>What was asked for and with which headers.</summary>
    public ConcurrentQueue<(string Path, Dictionary<string, string> Headers)> Requests { get; } = [];

    public ConcurrentQueue<byte[]> Metrics { get; } = [];

    public ConcurrentQueue<byte[]> Logs { get; } = [];

    public ConcurrentQueue<byte[]> Spans { get; } = [];

    public ConcurrentQueue<string> ClientCertificates { get; } = [];

    /// <summary>Answers in place of the receiver; true when it did.</summary>
    public Func<HttpContext, Task<bool>>? Misbehave { get; set; }

    /// <summary>The body of a good answer.</summary>
    public byte[] Answer { get; set; } = [];

    public static async Task<OtlpReceiver> StartAsync(
        bool grpc, X509Certificate2? certificate = null, X509Certificate2? clientAuthority = null, int port = 0)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Listen(IPAddress.Loopback, port, listen =>
            {
                listen.Protocols = grpc ? HttpProtocols.Http2 : HttpProtocols.Http1;
                if (certificate is not null)
                {
                    listen.UseHttps(https =>
                    {
                        https.ServerCertificate = certificate;
                        if (clientAuthority is not null)
                        {
                            https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
                            https.ClientCertificateValidation = (client, _, _) => client.Issuer == clientAuthority.Subject;
                        }
                    });
                }
            });
        });
        var server = builder.Build();
        var receiver = new OtlpReceiver(server, grpc);
        server.Run(receiver.HandleAsync);
        await server.StartAsync();
        return receiver;
    }

    /// <summary>Those that have a value.</summary>
    public IEnumerable<OtlpPoint> Points => Metrics.SelectMany(OtlpMessages.Points).Where(point => !point.IsEnd);

    /// <summary>Those that end their series.</summary>
    public IEnumerable<OtlpPoint> Ends => Metrics.SelectMany(OtlpMessages.Points).Where(point => point.IsEnd);

    public async ValueTask DisposeAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await _server.StopAsync(patience.Token);
        await _server.DisposeAsync();
    }

    private async Task HandleAsync(HttpContext context)
    {
        Requests.Enqueue((context.Request.Path, context.Request.Headers.ToDictionary(header => header.Key.ToLowerInvariant(), header => header.Value.ToString())));
        if (Misbehave is { } misbehave && await misbehave(context))
        {
            return;
        }

        if (context.Connection.ClientCertificate is { } client)
        {
            ClientCertificates.Enqueue(client.Subject);
        }

        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        var request = _isGrpc ? Unframed(body.ToArray()) : Unzipped(body.ToArray(), context.Request.Headers.ContentEncoding == "gzip");
        var queue = context.Request.Path.Value switch
        {
            "/v1/metrics" or "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Metrics,
            "/v1/logs" or "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Logs,
            "/v1/traces" or "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Spans,
            _ => null,
        };
        if (queue is null)
        {
            context.Response.StatusCode = 404;
            return;
        }

        queue.Enqueue(request);
        if (!_isGrpc)
        {
            context.Response.ContentType = "application/x-protobuf";
            await context.Response.Body.WriteAsync(Answer);
            return;
        }

        await GrpcAnswerAsync(context, 0, "", Answer);
    }

    public static async Task GrpcAnswerAsync(HttpContext context, int status, string message, byte[]? answer = null, string? details = null)
    {
        context.Response.ContentType = "application/grpc";
        context.Response.DeclareTrailer("grpc-status");
        if (answer is not null)
        {
            var frame = new byte[5 + answer.Length];
            BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), answer.Length);
            answer.CopyTo(frame.AsSpan(5));
            await context.Response.Body.WriteAsync(frame);
        }

        context.Response.AppendTrailer("grpc-status", status.ToString(System.Globalization.CultureInfo.InvariantCulture));
        context.Response.AppendTrailer("grpc-message", message);
        if (details is not null)
        {
            context.Response.AppendTrailer("grpc-status-details-bin", details);
        }
    }

    private static byte[] Unframed(byte[] frame)
    {
        var length = BinaryPrimitives.ReadInt32BigEndian(frame.AsSpan(1));
        return Unzipped(frame[5..(5 + length)], frame[0] == 1);
    }

    private static byte[] Unzipped(byte[] body, bool isGzip)
    {
        if (!isGzip)
        {
            return body;
        }

        using var gzip = new GZipStream(new MemoryStream(body), CompressionMode.Decompress);
        using var plain = new MemoryStream();
        gzip.CopyTo(plain);
        return plain.ToArray();
    }
}
