using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;

namespace Sockwatch.Exporters;

/// <summary>The page for people who open the listener in a browser.</summary>
internal static class HomePage
{
    public static string Render(TrafficReport? report, Health health, BuildInfo build)
    {
        var html = HtmlEncoder.Default;
        var page = new StringBuilder();
        var missing = health.Missing();
        page.Append("<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Sockwatch</title></head>\n<body>\n");
        page.Append(CultureInfo.InvariantCulture, $"<h1>Sockwatch {html.Encode(build.Version)}</h1>\n");
        page.Append(CultureInfo.InvariantCulture, $"<p>On Linux {html.Encode(build.Kernel)}. {(missing.Count == 0 ? "Ready." : "Not ready:")}</p>\n");
        if (missing.Count > 0)
        {
            page.Append("<ul>\n");
            foreach (var condition in missing)
            {
                page.Append(CultureInfo.InvariantCulture, $"<li>{html.Encode(condition)}</li>\n");
            }

            page.Append("</ul>\n");
        }

        if (report is { Time.Ticks: > 0 })
        {
            var lost = report.Losses.Sum(loss => loss.Count);
            page.Append(CultureInfo.InvariantCulture,
                $"<p>{report.Series.Length} label sets of {report.Budget.Limit}, {lost} losses, read at {report.Time.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}.</p>\n");
        }

        page.Append("<ul>\n");
        page.Append("<li><a href=\"/metrics\">/metrics</a>: for Prometheus</li>\n");
        page.Append("<li><a href=\"/livez\">/livez</a>: is it alive?</li>\n");
        page.Append("<li><a href=\"/readyz\">/readyz</a>: does it see everything it should?</li>\n");
        page.Append("</ul>\n</body>\n</html>\n");
        return page.ToString();
    }
}
