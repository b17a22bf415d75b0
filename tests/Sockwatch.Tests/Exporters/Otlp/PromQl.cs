using System.Globalization;
using System.Text.Json;
using Xunit;

namespace Sockwatch.Tests.Exporters.Otlp;

/// <summary>Asks whatever has Prometheus' HTTP API.</summary>
internal static class PromQl
{
    /// <param name="api">Ends with /api/v1/.</param>
    /// <param name="more">Parameters that only this server knows.</param>
    public static Task<IReadOnlyList<StoredSeries>> QueryAsync(
        HttpClient http, string api, string expression, DateTimeOffset at, params (string Name, string Value)[] more) =>
        AskAsync(http, api + "query", [("query", expression), ("time", Seconds(at)), .. more]);

    /// <summary>An answer as text, for comparing: labels in order, values to twelve digits.</summary>
    /// <param name="hides">Labels that tell where it was asked, and not what the answer is.</param>
    public static string Text(IEnumerable<StoredSeries> answer, Func<string, bool> hides) => string.Join('\n', answer.Select(series =>
    {
        var labels = series.Labels.Where(label => label.Value.Length > 0 && !hides(label.Key)).OrderBy(label => label.Key, StringComparer.Ordinal);
        var values = series.Values.Select(value => value.ToString("G12", CultureInfo.InvariantCulture));
        return $"{{{string.Join(',', labels.Select(label => $"{label.Key}={label.Value}"))}}} {string.Join(' ', values)}";
    }).Order(StringComparer.Ordinal));

    private static async Task<IReadOnlyList<StoredSeries>> AskAsync(HttpClient http, string path, params (string Name, string Value)[] form)
    {
        using var content = new FormUrlEncodedContent(form.Select(field => KeyValuePair.Create(field.Name, field.Value)));
        using var response = await http.PostAsync(path, content);
        using var answer = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        Assert.True(answer.RootElement.GetProperty("status").ValueEquals("success"), $"{form[0].Value}: {answer.RootElement}");
        return [.. answer.RootElement.GetProperty("data").GetProperty("result").EnumerateArray().Select(Series)];
    }

    private static StoredSeries Series(JsonElement series)
    {
        var points = (series.TryGetProperty("values", out var values) ? values.EnumerateArray() : Enumerable.Repeat(series.GetProperty("value"), 1)).ToList();
        return new StoredSeries(
            series.GetProperty("metric").EnumerateObject().ToDictionary(label => label.Name, label => label.Value.GetString()!),
            [.. points.Select(point => double.Parse(point[1].GetString()!.Replace("+Inf", "Infinity", StringComparison.Ordinal).Replace("-Inf", "-Infinity", StringComparison.Ordinal), CultureInfo.InvariantCulture))],
            [.. points.Select(point => (long)Math.Round(point[0].GetDouble() * 1000))]);
    }

    private static string Seconds(DateTimeOffset time) => (time.ToUnixTimeMilliseconds() / 1000.0).ToString(CultureInfo.InvariantCulture);
}
