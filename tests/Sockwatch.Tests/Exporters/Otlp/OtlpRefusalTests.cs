using System.Diagnostics;
using System.Globalization;
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
using Sockwatch.Kernel;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Exporters.Otlp;

/// <summary>Receivers that answer, and not what was hoped for.</summary>
public sealed class OtlpRefusalTests : OtlpFailure
{
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

    [Fact]
    public async Task It_takes_a_part_and_says_how_much_it_did_not()
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: true);
        receiver.Answer = [0x0a, 9, 0x08, 3, 0x12, 5, .. "dated"u8]; // partial_success { rejected: 3, message }
        using var flows = Some.OtlpFlows(Options(receiver.Endpoint, grpc: true), Losses, Failures);
        for (var i = 1; i <= 10; i++)
        {
            flows.OnRecord(FlowLogSamples.Plain((ulong)i));
        }

        await flows.StartAsync(CancellationToken.None);
        await flows.StopAsync(CancellationToken.None);

        Assert.Equal((7L, 3L), (flows.Logs!.Delivered, flows.Logs.Rejected));
        Assert.Equal("partial_success=1", Failed("otlp_logs"));
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
        using var otlp = Some.OtlpMetrics(options, failures: Failures);

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
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_token_from_a_file_is_read_for_each_request(bool grpc)
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc);
        var options = Options(receiver.Endpoint, grpc);
        options.BearerTokenFile = Pem("token", "first\n");
        using var otlp = Some.OtlpMetrics(options, failures: Failures, logger: MetricsLog);

        otlp.Push(TrafficReport.Empty);
        Pem("token", "second");
        otlp.Push(TrafficReport.Empty);
        File.Delete(options.BearerTokenFile);
        otlp.Push(TrafficReport.Empty);

        Assert.Equal(["Bearer first", "Bearer second"], receiver.Requests.Select(request => request.Headers["authorization"]));
        Assert.Equal("not_allowed=1", Failed("otlp_metrics"));
        Assert.Contains($"otlp.bearerTokenFile {options.BearerTokenFile} cannot be used", Assert.Single(MetricsLog.Texts), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task It_refuses_large_requests_and_loses_only_the_record_that_is_too_large_alone(bool grpc)
    {
        // Between a request of a few records and one of the long name alone, which does not compress.
        const int limit = 6000;
        await using var receiver = await OtlpReceiver.StartAsync(grpc);
        var refused = 0;
        receiver.Misbehave = async context =>
        {
            context.Request.EnableBuffering();
            await context.Request.Body.CopyToAsync(Stream.Null);
            if (context.Request.Body.Position <= limit)
            {
                context.Request.Body.Position = 0;
                return false;
            }

            refused++;
            if (grpc)
            {
                await OtlpReceiver.GrpcAnswerAsync(context, 8, "larger than the limit");
            }
            else
            {
                context.Response.StatusCode = 413;
            }

            return true;
        };
        using var flows = Some.OtlpFlows(Options(receiver.Endpoint, grpc), Losses, Failures, FlowsLog, naming: new OneHugeName());
        for (var i = 1; i <= 500; i++)
        {
            flows.OnRecord(FlowLogSamples.Plain((ulong)i) with { Pid = i == 300 ? OneHugeName.Pid : 5U });
        }

        await flows.StartAsync(CancellationToken.None);
        await Some.UntilAsync(() => flows.Logs!.Delivered + flows.Logs.Undeliverable == 500);
        await flows.StopAsync(CancellationToken.None);

        Assert.Equal((499L, 1L), (flows.Logs!.Delivered, flows.Logs.Undeliverable));
        Assert.Equal(499, receiver.Logs.SelectMany(OtlpMessages.Logs).Count());
        Assert.Equal($"too_large={refused}", Failed("otlp_logs"));
        Assert.Single(FlowsLog.Texts);
    }

    [Theory]
    [InlineData("text/html; charset=utf-8", "<html>It works</html>", "protocol=1")]
    [InlineData("text/plain", "OK", "protocol=1")]
    [InlineData(null, "<!doctype html>", "protocol=1")]
    [InlineData(null, "", "")]
    [InlineData("application/x-protobuf", "", "")]
    [InlineData("application/json", "{}", "")]
    public async Task It_is_an_ordinary_web_server_that_says_200_to_everything(string? contentType, string body, string failed)
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: false);
        receiver.Misbehave = async context =>
        {
            context.Response.ContentType = contentType;
            await context.Response.WriteAsync(body);
            return true;
        };
        using var otlp = Some.OtlpMetrics(Options(receiver.Endpoint, grpc: false), failures: Failures, logger: MetricsLog);

        otlp.Push(TrafficReport.Empty);

        Assert.Equal(failed, Failed("otlp_metrics"));
        Assert.Equal(failed.Length > 0, MetricsLog.Texts.Any(text => text.Contains("see otlp.endpoint and otlp.protocol", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task It_takes_some_requests_of_each_push_and_refuses_others_which_is_one_line_in_the_log()
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: false);
        var asked = 0;
        var isWell = false;
        receiver.Misbehave = context =>
        {
            context.Response.StatusCode = isWell || asked++ % 2 == 0 ? 200 : 400;
            return Task.FromResult(context.Response.StatusCode != 200);
        };
        using var otlp = Some.OtlpMetrics(Options(receiver.Endpoint, grpc: false), failures: Failures, logger: MetricsLog);
        var large = TrafficReport.Empty with
        {
            Series = [.. Enumerable.Range(1, 25_000).Select(i => new TrafficSeries(i, Some.Attributes(peer: $"peer-{i}"), DateTimeOffset.UnixEpoch, Some.Bytes(1), 0, null, []))],
        };
        for (var push = 0; push < 4; push++)
        {
            otlp.Push(large);
        }

        Assert.True(asked >= 8, $"{asked} requests");
        Assert.Contains("cannot be delivered", Assert.Single(MetricsLog.Texts), StringComparison.Ordinal);
        isWell = true;
        otlp.Push(large);
        otlp.Push(large);
        Assert.Equal(2, MetricsLog.Texts.Count);
    }

    [Fact]
    public async Task It_takes_a_push_without_some_points_and_says_how_many()
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: false);
        receiver.Answer = [0x0a, 2, 0x08, 3]; // partial_success { rejected: 3 }
        using var otlp = Some.OtlpMetrics(Options(receiver.Endpoint, grpc: false), failures: Failures, logger: MetricsLog, losses: Losses);

        otlp.Push(TrafficReport.Empty);
        otlp.Push(TrafficReport.Empty);

        Assert.Equal("partial_success=2", Failed("otlp_metrics"));
        Assert.Contains("refuses some of what they hold, 3 this time", Assert.Single(MetricsLog.Texts), StringComparison.Ordinal);
        Assert.Contains(Losses.Read(), loss => loss is { Stage: "otlp_metrics", Reason: "rejected", Count: 6 });
    }

    /// <summary>The peer of one process has a name of 20 kB that does not compress.</summary>
    private sealed class OneHugeName : IFlowNaming
    {
        public const uint Pid = 77;

        private static readonly string Long = string.Concat(Enumerable.Range(0, 5000).Select(i => new Random(i).Next(65_536).ToString("x4", CultureInfo.InvariantCulture)));

        private readonly FakeNaming _others = new();

        public EdgeAttributes Name(in FlowRecord record) => record.Pid == Pid ? _others.Name(record) with { PeerName = Long } : _others.Name(record);

        public string? ExecutablePath(ulong id) => _others.ExecutablePath(id);

        public string? ContainerId(ulong cgroupId) => _others.ContainerId(cgroupId);

        public PodNames? Pod(ulong cgroupId) => null;
    }
}
