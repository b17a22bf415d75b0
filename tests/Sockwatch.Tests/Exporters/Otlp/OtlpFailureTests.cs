using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Sockwatch.Aggregation;
using Sockwatch.Configuration;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters.Otlp;
using Xunit;

namespace Sockwatch.Tests.Exporters.Otlp;

/// <summary>What receivers do wrong, each with a real socket on the other side.</summary>
public sealed class OtlpFailureTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("sockwatch-test-");
    private readonly ExportFailures _failures = new();
    private readonly LossLedger _losses = new();
    private readonly Messages<OtlpMetrics> _metricsLog = new();
    private readonly Messages<OtlpFlows> _flowsLog = new();

    public void Dispose() => _directory.Delete(recursive: true);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Nobody_listens(bool grpc) =>
        Push($"http://127.0.0.1:{FreePort()}", grpc, "connection_refused");

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_name_is_not_known(bool grpc) => Push("http://receiver.invalid:4317", grpc, "dns");

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void It_takes_the_connection_and_never_answers(bool grpc)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();

        Push($"http://{listener.LocalEndpoint}", grpc, "timed_out");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task It_answers_too_late(bool grpc)
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc);
        receiver.Misbehave = async context =>
        {
            await Task.Delay(TimeSpan.FromSeconds(20), context.RequestAborted);
            return true;
        };

        Push(receiver.Endpoint, grpc, "timed_out");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task It_begins_to_answer_and_never_ends(bool grpc)
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc);
        receiver.Misbehave = async context =>
        {
            context.Response.ContentType = grpc ? "application/grpc" : "application/x-protobuf";
            await context.Response.StartAsync();
            await context.Response.Body.FlushAsync();
            await Task.Delay(TimeSpan.FromSeconds(20), context.RequestAborted);
            return true;
        };

        Push(receiver.Endpoint, grpc, "timed_out");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void It_closes_its_half_of_the_connection(bool grpc)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var accepted = new List<Socket>();
        _ = Task.Run(async () =>
        {
            while (true)
            {
                var socket = await listener.AcceptSocketAsync();
                accepted.Add(socket);
                await socket.ReceiveAsync(new byte[10]);
                socket.Shutdown(SocketShutdown.Send);
            }
        });

        Push($"http://{listener.LocalEndpoint}", grpc, "connection_lost");
    }

    [Fact]
    public async Task It_speaks_HTTP_where_gRPC_was_expected()
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: false);

        Push(receiver.Endpoint, grpc: true, "protocol", "connection_lost");
    }

    [Fact]
    public async Task It_speaks_gRPC_where_HTTP_was_expected()
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: true);

        Push(receiver.Endpoint, grpc: false, "rejected", "protocol");
    }

    [Fact]
    public void Something_else_has_the_port()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        _ = Task.Run(async () =>
        {
            while (true)
            {
                var socket = await listener.AcceptSocketAsync();
                await socket.SendAsync("220 mail.example ESMTP\r\n"u8.ToArray());
            }
        });

        Push($"http://{listener.LocalEndpoint}", grpc: false, "protocol");
    }

    [Theory]
    [InlineData(404, "protocol")]
    [InlineData(401, "not_allowed")]
    [InlineData(400, "rejected")]
    [InlineData(413, "too_large")]
    [InlineData(503, "unavailable")]
    [InlineData(429, "throttled")]
    public async Task It_refuses(int status, string reason)
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: false);
        receiver.Misbehave = context =>
        {
            context.Response.StatusCode = status;
            return Task.FromResult(true);
        };

        Push(receiver.Endpoint, grpc: false, reason);
    }

    [Theory]
    [InlineData(16, "not_allowed")]
    [InlineData(3, "rejected")]
    [InlineData(8, "too_large")]
    [InlineData(14, "unavailable")]
    [InlineData(12, "protocol")]
    public async Task It_refuses_by_gRPC_status(int status, string reason)
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: true);
        receiver.Misbehave = async context =>
        {
            await OtlpReceiver.GrpcAnswerAsync(context, status, "no");
            return true;
        };

        Push(receiver.Endpoint, grpc: true, reason);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Its_certificate_is_not_to_be_trusted(bool grpc)
    {
        using var certificate = Certificate("CN=127.0.0.1", null);
        await using var receiver = await OtlpReceiver.StartAsync(grpc, certificate);

        Push(receiver.Endpoint, grpc, "tls");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Its_certificate_is_of_the_authority_we_trust_and_it_wants_ours(bool grpc)
    {
        using var authority = Certificate("CN=Test authority", null);
        using var server = Certificate("CN=127.0.0.1", authority);
        using var agent = Certificate("CN=agent", authority);
        await using var receiver = await OtlpReceiver.StartAsync(grpc, server, authority);
        var options = Options(receiver.Endpoint, grpc);
        options.Certificate = Pem("authority.pem", authority.ExportCertificatePem());
        options.ClientCertificate = Pem("agent.pem", agent.ExportCertificatePem());
        options.ClientKey = Pem("agent.key", agent.GetRSAPrivateKey()!.ExportPkcs8PrivateKeyPem());
        options.Headers.Add("authorization=Bearer%20secret");
        using var otlp = Some.OtlpMetrics(options, failures: _failures);

        otlp.Push(TrafficReport.Empty);

        Assert.Equal("", Failed("otlp_metrics"));
        Assert.NotEmpty(receiver.Points);
        Assert.Equal("CN=agent", receiver.ClientCertificates.First());
        Assert.Equal("Bearer secret", receiver.Requests.First().Headers["authorization"]);
        Assert.Equal("gzip", receiver.Requests.First().Headers[grpc ? "grpc-encoding" : "content-encoding"]);
    }

    [Fact]
    public void A_certificate_file_that_is_not_there_is_told_at_once()
    {
        var options = Options("https://127.0.0.1:1", grpc: true);
        options.Certificate = "/nonexistent/ca.pem";

        var failure = Assert.Throws<ConfigurationException>(() => Some.OtlpMetrics(options));

        Assert.StartsWith("otlp.certificate /nonexistent/ca.pem cannot be used: ", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, 8)]
    [InlineData(true, 14)]
    [InlineData(false, 429)]
    [InlineData(false, 503)]
    public async Task It_asks_to_be_left_alone_for_a_while_and_gets_everything_after_it(bool grpc, int status)
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc);
        var refusals = 0;
        receiver.Misbehave = async context =>
        {
            if (Interlocked.Increment(ref refusals) > 1)
            {
                return false;
            }

            if (grpc)
            {
                // google.rpc.Status with RetryInfo of 2 s.
                await OtlpReceiver.GrpcAnswerAsync(context, status, "wait", details: Convert.ToBase64String(
                    [0x1a, 48, 0x0a, 40, .. "type.googleapis.com/google.rpc.RetryInfo"u8, 0x12, 4, 0x0a, 2, 0x08, 2]));
            }
            else
            {
                context.Response.StatusCode = status;
                context.Response.Headers.RetryAfter = "2";
            }

            return true;
        };
        using var flows = Some.OtlpFlows(Options(receiver.Endpoint, grpc), _losses, _failures);
        await flows.StartAsync(CancellationToken.None);
        var clock = Stopwatch.StartNew();

        flows.OnRecord(FlowLogSamples.Plain(1));
        await Some.UntilAsync(() => flows.Logs!.Delivered == 1);

        Assert.InRange(clock.Elapsed.TotalSeconds, 1.9, 10);
        Assert.Equal(grpc && status == 14 || !grpc && status == 503 ? "unavailable=1" : "throttled=1", Failed("otlp_logs"));
        Assert.Equal(0, flows.Logs!.Undeliverable);
        await flows.StopAsync(CancellationToken.None);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task It_is_away_and_comes_back(bool grpc)
    {
        var port = FreePort();
        var options = Options($"http://127.0.0.1:{port}", grpc);
        options.QueueLength = 600;
        using var flows = Some.OtlpFlows(options, _losses, _failures, _flowsLog);
        await flows.StartAsync(CancellationToken.None);
        using var metrics = Some.OtlpMetrics(options, failures: _failures, logger: _metricsLog);
        var slowest = TimeSpan.Zero;
        for (var i = 1; i <= 2000; i++)
        {
            var clock = Stopwatch.StartNew();
            flows.OnRecord(FlowLogSamples.Plain((ulong)i));
            slowest = clock.Elapsed > slowest ? clock.Elapsed : slowest;
        }

        metrics.Push(Report(5));
        metrics.Push(Report(7));
        await Some.UntilAsync(() => Failed("otlp_logs").Length > 0);

        await using var receiver = await OtlpReceiver.StartAsync(grpc, port: port);
        metrics.Push(Report(9));
        await Some.UntilAsync(() => flows.Logs!.Delivered + flows.Logs.QueueFull == 2000);

        // Nothing that was queued is lost, what was not is counted, and totals are as if nothing had happened.
        Assert.Equal(flows.Logs!.Delivered, receiver.Logs.SelectMany(OtlpMessages.Logs).Count());
        Assert.InRange(flows.Logs.Delivered, 600, 1200);
        Assert.Equal(9.0, receiver.Points.Single(point => point.Name == "sockwatch.socket.io").Value);
        Assert.True(slowest < TimeSpan.FromMilliseconds(500), $"the reader waited {slowest}");
        var address = $"http://127.0.0.1:{port}/{(grpc ? "" : "v1/metrics")}";
        Assert.Equal(
            [
                $"otlp_metrics cannot be delivered to {address}: connection refused. Failures are counted until it can",
                $"otlp_metrics is delivered to {address} again",
            ],
            _metricsLog.Texts);
        Assert.Equal(2, _flowsLog.Texts.Count);
        await flows.StopAsync(CancellationToken.None);
    }

    [Fact]
    public async Task It_takes_a_part_and_says_how_much_it_did_not()
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: true);
        receiver.Answer = [0x0a, 9, 0x08, 3, 0x12, 5, .. "dated"u8]; // partial_success { rejected: 3, message }
        using var flows = Some.OtlpFlows(Options(receiver.Endpoint, grpc: true), _losses, _failures);
        for (var i = 1; i <= 10; i++)
        {
            flows.OnRecord(FlowLogSamples.Plain((ulong)i));
        }

        await flows.StartAsync(CancellationToken.None);
        await flows.StopAsync(CancellationToken.None);

        Assert.Equal((7L, 3L), (flows.Logs!.Delivered, flows.Logs.Rejected));
        Assert.Equal("partial_success=1", Failed("otlp_logs"));
    }

    [Fact]
    public async Task A_receiver_that_hangs_does_not_hold_up_the_end()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var options = Options($"http://{listener.LocalEndpoint}", grpc: true);
        options.Timeout = TimeSpan.FromMinutes(1);
        options.Interval = TimeSpan.FromMilliseconds(100);
        using var flows = Some.OtlpFlows(options);
        using var metrics = Some.OtlpMetrics(options);
        await flows.StartAsync(CancellationToken.None);
        await metrics.StartAsync(CancellationToken.None);
        flows.OnRecord(FlowLogSamples.Plain(1));
        await Task.Delay(500);
        var clock = Stopwatch.StartNew();

        await flows.StopAsync(CancellationToken.None);
        await metrics.StopAsync(CancellationToken.None);

        Assert.InRange(clock.Elapsed.TotalSeconds, 0, 4.5);
    }

    private static TrafficReport Report(ulong sent) => TrafficReport.Empty with
    {
        Series = [new TrafficSeries(1, Some.Attributes(), DateTimeOffset.UnixEpoch, Some.Bytes(sent), 0, null, [])],
    };

    private static OtlpOptions Options(string endpoint, bool grpc) => new()
    {
        Endpoint = endpoint,
        Protocol = grpc ? OtlpProtocol.Grpc : OtlpProtocol.HttpProtobuf,
        Timeout = TimeSpan.FromSeconds(2),
    };

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    private static X509Certificate2 Certificate(string name, X509Certificate2? authority)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(authority is null, false, 0, true));
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        var from = DateTimeOffset.UtcNow.AddDays(-1);
        var until = DateTimeOffset.UtcNow.AddDays(1);
        if (authority is null)
        {
            return request.CreateSelfSigned(from.AddHours(-1), until.AddHours(1));
        }

        using var signed = request.Create(authority, from, until, [1, 2, 3, (byte)name.Length]);
        return signed.CopyWithPrivateKey(key);
    }

    private string Pem(string name, string text)
    {
        var path = Path.Combine(_directory.FullName, name);
        File.WriteAllText(path, text);
        return path;
    }

    private string Failed(string exporter) => string.Join(' ', _failures.Read()
        .Where(failure => failure.Exporter == exporter && failure.Count > 0)
        .Select(failure => $"{failure.Reason}={failure.Count}"));

    /// <summary>One push, which is to fail for one of the reasons, soon, and with one line in the log however often it is tried.</summary>
    private void Push(string endpoint, bool grpc, params string[] reasons)
    {
        using var otlp = Some.OtlpMetrics(Options(endpoint, grpc), failures: _failures, logger: _metricsLog);
        var clock = Stopwatch.StartNew();

        otlp.Push(TrafficReport.Empty);
        otlp.Push(TrafficReport.Empty);

        Assert.InRange(clock.Elapsed.TotalSeconds, 0, 9);
        Assert.Contains(Failed("otlp_metrics"), reasons.Select(reason => $"{reason}=2"));
        Assert.Single(_metricsLog.Texts);
    }

    private sealed class Messages<T> : ILogger<T>
    {
        public List<string> Texts { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (Texts)
            {
                Texts.Add(formatter(state, exception));
            }
        }
    }
}
