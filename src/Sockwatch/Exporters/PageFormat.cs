using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace Sockwatch.Exporters;

/// <summary>How a scraper wants its page. Whatever it asks for, it gets one of the two formats: an unknown wish is no reason to give nothing.</summary>
internal static class PageFormat
{
    public const string TextContentType = "text/plain; version=0.0.4; charset=utf-8";
    public const string OpenMetricsContentType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    public static ExpositionFormat Choose(StringValues accept)
    {
        var openMetrics = 0.0;
        var text = 0.0;
        if (MediaTypeHeaderValue.TryParseList(accept, out var wishes))
        {
            foreach (var wish in wishes)
            {
                var quality = wish.Quality ?? 1;
                if (IsOpenMetrics(wish))
                {
                    openMetrics = Math.Max(openMetrics, quality);
                }
                else if (wish.MediaType.Equals("text/plain", StringComparison.OrdinalIgnoreCase))
                {
                    text = Math.Max(text, quality);
                }
            }
        }

        return openMetrics > 0 && openMetrics >= text ? ExpositionFormat.OpenMetricsText : ExpositionFormat.PrometheusText;
    }

    public static string ContentType(ExpositionFormat format) =>
        format == ExpositionFormat.OpenMetricsText ? OpenMetricsContentType : TextContentType;

    public static bool AcceptsGzip(StringValues acceptEncoding) =>
        StringWithQualityHeaderValue.TryParseList(acceptEncoding, out var wishes)
        && wishes.Any(wish => wish.Value.Equals("gzip", StringComparison.OrdinalIgnoreCase) && (wish.Quality ?? 1) > 0);

    private static bool IsOpenMetrics(MediaTypeHeaderValue wish)
    {
        if (!wish.MediaType.Equals("application/openmetrics-text", StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        var version = wish.Parameters.FirstOrDefault(one => one.Name.Equals("version", StringComparison.OrdinalIgnoreCase));
        return version is null || version.GetUnescapedValue() == "1.0.0";
    }
}
