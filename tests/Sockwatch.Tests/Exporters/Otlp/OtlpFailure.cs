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
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Exporters.Otlp;

/// <summary>What tests of misbehaving receivers have in common. Each class of them is a collection of its own, for most of their time is waiting.</summary>
public abstract class OtlpFailure : IDisposable
{
    private protected ExportFailures Failures { get; } = new();

    private protected LossLedger Losses { get; } = new();

    private protected Messages<OtlpMetrics> MetricsLog { get; } = new();

    private protected Messages<OtlpFlows> FlowsLog { get; } = new();

    private protected DirectoryInfo Folder { get; } = Directory.CreateTempSubdirectory("sockwatch-test-");

    public void Dispose()
    {
        Folder.Delete(recursive: true);
        GC.SuppressFinalize(this);
    }

    private protected static async Task<bool> RefuseAsync(HttpContext context, bool grpc, int status, byte seconds)
    {
        if (grpc)
        {
            // google.rpc.Status with RetryInfo.
            await OtlpReceiver.GrpcAnswerAsync(context, status, "wait", details: Convert.ToBase64String(
                [0x1a, 48, 0x0a, 40, .. "type.googleapis.com/google.rpc.RetryInfo"u8, 0x12, 4, 0x0a, 2, 0x08, seconds]));
        }
        else
        {
            context.Response.StatusCode = status;
            context.Response.Headers.RetryAfter = $"{seconds}";
        }

        return true;
    }

    private protected static async Task AdvanceAsync(ManualTime time, TimeSpan step, Func<bool> until)
    {
        var deadline = DateTime.UtcNow + TimeSpan.FromSeconds(60);
        while (!until())
        {
            Assert.True(DateTime.UtcNow < deadline, "the condition was not met in time");
            time.Advance(step);
            await Task.Delay(20);
        }
    }

    private protected static TrafficReport Report(ulong sent) => TrafficReport.Empty with
    {
        Series = [new TrafficSeries(1, Some.Attributes(), DateTimeOffset.UnixEpoch, Some.Bytes(sent), 0, null, [])],
    };

    /// <param name="timeout">Long enough for a busy machine; for tests of what never answers it may be short.</param>
    private protected static OtlpOptions Options(string endpoint, bool grpc, TimeSpan? timeout = null) => new()
    {
        Endpoint = endpoint,
        Protocol = grpc ? OtlpProtocol.Grpc : OtlpProtocol.HttpProtobuf,
        Timeout = timeout ?? TimeSpan.FromSeconds(5),
    };

    private protected static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    private protected static X509Certificate2 Certificate(string name, X509Certificate2? authority)
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

    private protected string Pem(string name, string text)
    {
        var path = Path.Combine(Folder.FullName, name);
        File.WriteAllText(path, text);
        return path;
    }

    private protected long Count(string exporter, string reason) =>
        Failures.Read().Single(failure => failure.Exporter == exporter && failure.Reason == reason).Count;

    private protected string Failed(string exporter) => string.Join(' ', Failures.Read()
        .Where(failure => failure.Exporter == exporter && failure.Count > 0)
        .Select(failure => $"{failure.Reason}={failure.Count}"));

    /// <summary>One push, which is to fail for one of the reasons, soon, and with one line in the log however often it is tried.</summary>
    private protected void Push(string endpoint, bool grpc, params string[] reasons)
    {
        var isTimeOut = reasons is [OtlpOutcome.TimedOut];
        using var otlp = Some.OtlpMetrics(
            Options(endpoint, grpc, isTimeOut ? TimeSpan.FromMilliseconds(300) : null), failures: Failures, logger: MetricsLog);
        var clock = Stopwatch.StartNew();

        otlp.Push(TrafficReport.Empty);
        otlp.Push(TrafficReport.Empty);

        Assert.InRange(clock.Elapsed.TotalSeconds, isTimeOut ? 0.5 : 0, 9);
        Assert.Contains(Failed("otlp_metrics"), reasons.Select(reason => $"{reason}=2"));
        Assert.Single(MetricsLog.Texts);
    }

    private protected sealed class Messages<T> : ILogger<T>
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
