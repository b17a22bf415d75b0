using System.Collections;
using Microsoft.Extensions.Configuration;
using Sockwatch.Configuration;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters.Otlp;
using Xunit;

namespace Sockwatch.Tests.Configuration;

public sealed class StandardVariablesTests
{
    [Fact]
    public void OpenTelemetrys_own_variables_are_heard()
    {
        var (options, configuration) = Load(new()
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://collector:4318",
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
            ["OTEL_EXPORTER_OTLP_HEADERS"] = "a=1,b=two%20words",
            ["OTEL_EXPORTER_OTLP_TIMEOUT"] = "2500",
            ["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"] = "http://metrics:9999/special",
            ["OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"] = "delta",
            ["OTEL_RESOURCE_ATTRIBUTES"] = "service.name=other,k=v%3Dw",
            ["OTEL_METRIC_EXPORT_INTERVAL"] = "15000",
        });

        var metrics = OtlpSettings.Of(OtlpSignal.Metrics, options, configuration);
        var logs = OtlpSettings.Of(OtlpSignal.Logs, options, configuration);
        Assert.Equal(("http://metrics:9999/special", "http://collector:4318/v1/logs"), (metrics.Endpoint.ToString(), logs.Endpoint.ToString()));
        Assert.Equal(("a=1,b=two%20words", TimeSpan.FromSeconds(2.5)), (logs.Headers, logs.Timeout));
        Assert.Equal((OtlpTemporality.Delta, TimeSpan.FromSeconds(15)), (options.Temporality, options.Interval));
        var resource = OtlpSettings.Resource(options, new BuildInfo("1", "6"), name => name == "NODE_NAME" ? "node-7" : null).Build()
            .Attributes.ToDictionary(one => one.Key, one => one.Value);
        Assert.Equal(("other", "v=w", "node-7"), ((string)resource["service.name"], (string)resource["k"], (string)resource["k8s.node.name"]));
        Assert.Equal(("node-7", "node-7"), ((string)resource["host.name"], (string)resource["service.instance.id"]));
    }

    [Fact]
    public void Ours_win_over_them()
    {
        var (options, _) = Load(new()
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://theirs:4317",
            ["SOCKWATCH__OTLP__ENDPOINT"] = "http://ours:4317",
            ["SOCKWATCH__OTLP__PROTOCOL"] = "grpc",
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
        });

        Assert.Equal(("http://ours:4317", "grpc"), (options.Endpoint, options.Protocol));
    }

    [Fact]
    public void A_signal_has_a_trust_of_its_own()
    {
        var (options, configuration) = Load(new()
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "https://collector:4317",
            ["OTEL_EXPORTER_OTLP_CERTIFICATE"] = "/ca.pem",
            ["OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE"] = "/metrics-ca.pem",
            ["OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE"] = "/metrics.pem",
            ["OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY"] = "/metrics.key",
            ["OTEL_EXPORTER_OTLP_LOGS_PROTOCOL"] = "",
        });

        Assert.Equal(new OtlpTrust("/metrics-ca.pem", "/metrics.pem", "/metrics.key"), OtlpSettings.Of(OtlpSignal.Metrics, options, configuration).Trust);
        Assert.Equal(new OtlpTrust("/ca.pem", "", ""), OtlpSettings.Of(OtlpSignal.Logs, options, configuration).Trust);
        Assert.Equal("grpc", OtlpSettings.Of(OtlpSignal.Logs, options, configuration).Protocol);
        Assert.Equal(["/ca.pem", "/metrics-ca.pem", "/metrics.key", "/metrics.pem"], OtlpSettings.Files(options, configuration).Order());
    }

    [Theory]
    [InlineData(null, null, false)]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT", "http://x:1", true)]
    [InlineData("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://x:1", true)]
    [InlineData("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://x:1", false)]
    public void A_signal_is_off_until_it_has_an_endpoint(string? name, string? value, bool on)
    {
        Hashtable environment = name is null ? [] : new() { [name] = value };
        var (options, configuration) = Load(environment);
        Assert.Equal(on, OtlpSettings.IsOn(OtlpSignal.Logs, options, configuration));
        Assert.False(OtlpSettings.IsOn(OtlpSignal.Traces, options, configuration));

        environment["OTEL_SDK_DISABLED"] = "true";
        (options, configuration) = Load(environment);
        Assert.False(OtlpSettings.IsOn(OtlpSignal.Logs, options, configuration));
    }

    [Theory]
    [InlineData("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "environment variable OTEL_EXPORTER_OTLP_PROTOCOL: otlp.protocol is \"http/json\"; expected grpc or http/protobuf")]
    [InlineData("SOCKWATCH__OTLP__CLIENTKEY", "/k", "only one of otlp.clientCertificate and otlp.clientKey is set; expected both, or neither")]
    [InlineData("OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY", "/k", "only one of OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY is set; expected both, or neither")]
    [InlineData("SOCKWATCH__OTLP__ENDPOINT", "collector:4317", "environment variable SOCKWATCH__OTLP__ENDPOINT: otlp.endpoint is \"collector:4317\"; expected a URL such as http://collector:4317, or nothing")]
    public void What_cannot_be_used_is_told_in_one_line(string name, string value, string message) =>
        Assert.Equal(message, Assert.Throws<ConfigurationException>(() => Load(new() { [name] = value })).Message);

    private static (OtlpOptions Options, IConfiguration Configuration) Load(Hashtable environment)
    {
        var configuration = ConfigurationLoader.Load(null, environment, []);
        var options = new OtlpOptions();
        configuration.GetSection("Otlp").Bind(options);
        return (options, configuration);
    }
}
