using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.DeployTests.Grafana;

/// <summary>A real Prometheus that scrapes one agent every second. Disposing ends it.</summary>
internal sealed class PrometheusServer : IDisposable
{
    private readonly Process _process;
    private readonly DirectoryInfo _folder;
    private readonly HttpClient _http;

    private PrometheusServer(Process process, DirectoryInfo folder, int port)
    {
        _process = process;
        _folder = folder;
        _http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}/api/v1/") };
    }

    /// <summary>Ends with /api/v1/.</summary>
    public string Api => _http.BaseAddress!.ToString();

    /// <param name="rules">A file of rules to evaluate.</param>
    public static async Task<PrometheusServer> StartAsync(string program, string agent, string node, string? rules = null)
    {
        var folder = Directory.CreateTempSubdirectory("sockwatch-test-");
        var port = RunningAgent.FreePort();
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "prometheus.yml"), $$"""
            global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
            rule_files: [{{(rules is null ? "" : $"\"{rules}\"")}}]
            scrape_configs:
              - job_name: sockwatch/sockwatch
                static_configs:
                  - targets: ["{{agent}}"]
                    labels: {instance: "{{node}}" }
            """);
        var process = Process.Start(new ProcessStartInfo(program,
        [
            $"--config.file={folder.FullName}/prometheus.yml", $"--storage.tsdb.path={folder.FullName}/data",
            $"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
        ]) { RedirectStandardError = true })!;
        var complaints = process.StandardError.ReadToEndAsync();
        var server = new PrometheusServer(process, folder, port);
        for (var patience = 0; patience < 150; patience++)
        {
            Assert.False(process.HasExited, process.HasExited ? await complaints : "");
            try
            {
                if ((await server.QueryAsync("sockwatch_build_info")).Count > 0)
                {
                    return server;
                }
            }
            catch (Exception failure) when (failure is HttpRequestException or JsonException)
            {
                // Not awake yet: it says nothing, or "Service Unavailable".
            }

            await Task.Delay(200);
        }

        server.Dispose();
        throw new InvalidOperationException("Prometheus has not scraped the agent within 30 s");
    }

    /// <summary>The series of an instant query; an error is thrown with Prometheus' own words.</summary>
    public Task<IReadOnlyList<JsonElement>> QueryAsync(string expression, DateTimeOffset? at = null) =>
        AskAsync("query", ("query", expression), ("time", (at ?? DateTimeOffset.UtcNow).ToString("O", CultureInfo.InvariantCulture)));

    /// <summary>The series of the last <paramref name="span"/>.</summary>
    public Task<IReadOnlyList<JsonElement>> QueryRangeAsync(string expression, TimeSpan span)
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        return AskAsync("query_range", ("query", expression), ("start", $"{now - (long)span.TotalSeconds}"), ("end", $"{now}"), ("step", "2"));
    }

    public async Task<IReadOnlyList<string>> LabelValuesAsync(string label, string selector)
    {
        using var answer = JsonDocument.Parse(await _http.GetStringAsync($"label/{label}/values?match[]={Uri.EscapeDataString(selector)}"));
        return [.. answer.RootElement.GetProperty("data").EnumerateArray().Select(value => value.GetString()!)];
    }

    public async Task<IReadOnlyList<JsonElement>> RulesAsync()
    {
        using var answer = JsonDocument.Parse(await _http.GetStringAsync("rules"));
        return [.. answer.RootElement.GetProperty("data").GetProperty("groups").EnumerateArray()
            .SelectMany(group => group.GetProperty("rules").EnumerateArray()).Select(rule => rule.Clone())];
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        _http.Dispose();
        _folder.Delete(recursive: true);
    }

    private async Task<IReadOnlyList<JsonElement>> AskAsync(string path, params (string Name, string Value)[] form)
    {
        using var content = new FormUrlEncodedContent(form.Select(field => KeyValuePair.Create(field.Name, field.Value)));
        using var response = await _http.PostAsync(path, content);
        using var answer = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        Assert.True(answer.RootElement.GetProperty("status").ValueEquals("success"), answer.RootElement.ToString());
        return [.. answer.RootElement.GetProperty("data").GetProperty("result").EnumerateArray().Select(series => series.Clone())];
    }
}
