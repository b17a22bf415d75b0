using System.Diagnostics;
using System.Text.Json;
using Xunit;

namespace Sockwatch.Tests.Exporters.Otlp;

/// <summary>VictoriaMetrics on a port and a directory of its own.</summary>
internal sealed class VictoriaMetricsServer : IAsyncDisposable
{
    private readonly Process _process;
    private readonly DirectoryInfo _data;
    private readonly HttpClient _http;

    private VictoriaMetricsServer(Process process, DirectoryInfo data, int port)
    {
        _process = process;
        _data = data;
        Address = $"http://127.0.0.1:{port}";
        _http = new HttpClient { BaseAddress = new Uri(Address), Timeout = TimeSpan.FromSeconds(30) };
    }

    public string Address { get; }

    /// <summary>For otlp.endpoint with http/protobuf.</summary>
    public string Endpoint => $"{Address}/opentelemetry";

    /// <param name="instance">Whether the agent's service.instance.id becomes the label instance, as Prometheus makes of it by itself.</param>
    public static async Task<VictoriaMetricsServer> StartAsync(bool instance = false)
    {
        var data = Directory.CreateTempSubdirectory("sockwatch-test-");
        var port = Receivers.FreePort();
        var relabeling = Path.Combine(data.FullName, "relabel.yml");
        await File.WriteAllTextAsync(relabeling, instance
            ? "- {source_labels: [service_instance_id], regex: \"(.+)\", target_label: instance}\n"
            : "[]\n");
        var process = Process.Start(new ProcessStartInfo(
            Receivers.VictoriaMetrics,
            [
                $"-storageDataPath={data.FullName}", $"-relabelConfig={relabeling}", $"-httpListenAddr=127.0.0.1:{port}", "-opentelemetry.usePrometheusNaming",
                "-search.latencyOffset=0s", "-search.disableCache", "-retentionPeriod=10y", "-memory.allowedBytes=256MB", "-loggerLevel=ERROR",
            ])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        })!;
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
        var server = new VictoriaMetricsServer(process, data, port);
        for (var patience = 0; patience < 600 && !server.IsUp(); patience++)
        {
            Assert.False(process.HasExited, "victoria-metrics does not start");
            await Task.Delay(100);
        }

        return server;
    }

    /// <summary>Every stored sample whose name begins so.</summary>
    public async Task<IReadOnlyList<StoredSeries>> ExportAsync(string prefix)
    {
        // What has just come in, in the first second of a server, is found a moment later even after a flush.
        var query = $"/api/v1/export?match[]={Uri.EscapeDataString($"{{__name__=~\"{prefix}.+\"}}")}";
        string[] lines = [];
        for (var patience = 0; patience < 100; patience++)
        {
            await FlushAsync();
            var before = lines.Length;
            lines = (await _http.GetStringAsync(query)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            if (lines.Length > 0 && lines.Length == before)
            {
                break;
            }

            await Task.Delay(100);
        }

        return
        [
            .. lines.Select(line => JsonDocument.Parse(line).RootElement).Select(series => new StoredSeries(
                series.GetProperty("metric").EnumerateObject().ToDictionary(label => label.Name, label => label.Value.GetString()!),
                [.. series.GetProperty("values").EnumerateArray().Select(value => value.ValueKind == JsonValueKind.Number ? value.GetDouble() : double.NaN)],
                [.. series.GetProperty("timestamps").EnumerateArray().Select(time => time.GetInt64())])),
        ];
    }

    /// <summary>The answer to a PromQL query: each series' labels and its value.</summary>
    /// <param name="label">NAME=VALUE: asks only what has this label.</param>
    public Task<IReadOnlyList<StoredSeries>> QueryAsync(string expression, DateTimeOffset at, string? label = null) =>
        PromQl.QueryAsync(_http, "/prometheus/api/v1/", expression, at, [("nocache", "1"), .. label is null ? [] : new[] { ("extra_label", label) }]);

    /// <summary>Stores a page of /metrics as a scrape at that time would.</summary>
    public async Task ImportAsync(Stream page, DateTimeOffset at, params (string Label, string Value)[] labels)
    {
        var extra = string.Concat(labels.Select(label => $"&extra_label={Uri.EscapeDataString($"{label.Label}={label.Value}")}"));
        using var content = new StreamContent(page);
        using var answer = await _http.PostAsync($"/api/v1/import/prometheus?timestamp={at.ToUnixTimeMilliseconds()}{extra}", content);
        answer.EnsureSuccessStatusCode();
    }

    /// <summary>A request as it is.</summary>
    public async Task PushAsync(ReadOnlyMemory<byte> request)
    {
        using var content = new ReadOnlyMemoryContent(request);
        content.Headers.ContentType = new System.Net.Http.Headers.MediaTypeHeaderValue("application/x-protobuf");
        using var answer = await _http.PostAsync("/opentelemetry/v1/metrics", content);
        answer.EnsureSuccessStatusCode();
    }

    /// <summary>Makes what has come in visible to queries.</summary>
    public async Task FlushAsync() => await _http.GetStringAsync("/internal/force_flush");

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        _http.Dispose();
        _data.Delete(recursive: true);
    }

    private bool IsUp()
    {
        try
        {
            using var answer = _http.Send(new HttpRequestMessage(HttpMethod.Get, "/health"));
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
