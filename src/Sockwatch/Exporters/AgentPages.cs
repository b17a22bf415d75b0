using System.Diagnostics.CodeAnalysis;
using System.IO.Compression;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;

namespace Sockwatch.Exporters;

/// <summary>What the listener serves.</summary>
internal sealed partial class AgentPages(
    IReportSource reports,
    PrometheusExporter prometheus,
    Health health,
    ExportFailures failures,
    BuildInfo build,
    ILogger<AgentPages> logger)
{
    private const string PlainText = "text/plain; charset=utf-8";

    private int _isFailing;

    public Task HandleAsync(HttpContext context)
    {
        var path = context.Request.Path.Value;
        if (path is not ("/" or "/metrics" or "/livez" or "/readyz"))
        {
            return WriteAsync(context, StatusCodes.Status404NotFound, PlainText, "not found; there are / /metrics /livez /readyz\n");
        }

        if (!HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method))
        {
            context.Response.Headers.Allow = "GET, HEAD";
            return WriteAsync(context, StatusCodes.Status405MethodNotAllowed, PlainText, "only GET and HEAD\n");
        }

        return path switch
        {
            "/metrics" => MetricsAsync(context),
            "/livez" => ConditionsAsync(context, "alive", "not alive", health.Silent()),
            "/readyz" => ConditionsAsync(context, "ready", "not ready", health.Missing()),
            _ => WriteAsync(context, StatusCodes.Status200OK, "text/html; charset=utf-8", HomePage.Render(reports.Latest, health, build)),
        };
    }

    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "An exporter that fails is counted and stops nobody else.")]
    private async Task MetricsAsync(HttpContext context)
    {
        var format = PageFormat.Choose(context.Request.Headers.Accept);
        var isGzip = PageFormat.AcceptsGzip(context.Request.Headers.AcceptEncoding);
        using var page = new PageBuffer();
        try
        {
            var report = await reports.FreshAsync(context.RequestAborted).ConfigureAwait(false);
            if (isGzip)
            {
                // Compressed as it is made: most of a page is labels that repeat, a thirtieth of it remains.
                var gzip = new GZipStream(page, CompressionLevel.Fastest, leaveOpen: true);
                await using (gzip.ConfigureAwait(false))
                {
                    await prometheus.RenderAsync(report, gzip, format, context.RequestAborted).ConfigureAwait(false);
                }
            }
            else
            {
                await prometheus.RenderAsync(report, page, format, context.RequestAborted).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            return;
        }
        catch (Exception failure)
        {
            failures.Count(ExportFailures.Prometheus, ExportFailures.RenderFailed);
            if (Interlocked.Exchange(ref _isFailing, 1) == 0)
            {
                Log.RenderFailed(logger, PrintableText.Of(failure));
            }

            await WriteAsync(context, StatusCodes.Status500InternalServerError, PlainText, "the metrics cannot be rendered; see the agent's log\n")
                .ConfigureAwait(false);
            return;
        }

        if (Interlocked.Exchange(ref _isFailing, 0) == 1)
        {
            Log.RenderRecovered(logger);
        }

        await SendAsync(context, page, PageFormat.ContentType(format), isGzip).ConfigureAwait(false);
    }

    private async Task SendAsync(HttpContext context, PageBuffer page, string contentType, bool isGzip)
    {
        context.Response.ContentType = contentType;
        context.Response.ContentLength = page.Length;
        context.Response.Headers.Vary = "Accept, Accept-Encoding";
        if (isGzip)
        {
            context.Response.Headers.ContentEncoding = "gzip";
        }

        if (HttpMethods.IsHead(context.Request.Method))
        {
            return;
        }

        try
        {
            await page.SendToAsync(context.Response.Body, context.RequestAborted).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is OperationCanceledException or IOException)
        {
            // The scraper went away or was too slow, and misses this page.
            failures.Count(ExportFailures.Prometheus, ExportFailures.WriteFailed);
        }
    }

    private static Task ConditionsAsync(HttpContext context, string yes, string no, IReadOnlyList<string> missing) =>
        missing.Count == 0
            ? WriteAsync(context, StatusCodes.Status200OK, PlainText, $"{yes}\n")
            : WriteAsync(context, StatusCodes.Status503ServiceUnavailable, PlainText, $"{no}\n{string.Concat(missing.Select(line => $"{line}\n"))}");

    private static Task WriteAsync(HttpContext context, int status, string contentType, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        context.Response.StatusCode = status;
        context.Response.ContentType = contentType;
        context.Response.ContentLength = bytes.Length;
        context.Response.Headers.CacheControl = "no-store";
        return HttpMethods.IsHead(context.Request.Method)
            ? Task.CompletedTask
            : context.Response.Body.WriteAsync(bytes, context.RequestAborted).AsTask();
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Error, "/metrics cannot be rendered: {Reason}")]
        public static partial void RenderFailed(ILogger logger, string reason);

        [LoggerMessage(LogLevel.Information, "/metrics can be rendered again")]
        public static partial void RenderRecovered(ILogger logger);
    }
}
