using System.Diagnostics.CodeAnalysis;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Logging;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters.Page;

namespace Sockwatch.Exporters;

/// <summary>What the listener serves.</summary>
internal sealed partial class AgentPages(
    IReportSource reports,
    PrometheusExporter prometheus,
    Health health,
    ExportFailures failures,
    LocalPage page,
    ILogger<AgentPages> logger,
    TimeSpan? sendLimit = null,
    long? maxBytes = null) : IDisposable
{
    private const string PlainText = "text/plain; charset=utf-8";

    // Scrapers that are served at the same time; a page stays in memory until its scraper has read it.
    private const int MaxPages = 16;

    // Of all these pages. One is served however large it is, for a budget of series that makes such pages asked for it.
    private const long DefaultMaxBytes = 64 * 1024 * 1024;

    // Longer than scrapers wait, and than a page takes over a line that anyone would scrape over.
    private static readonly TimeSpan DefaultSendLimit = TimeSpan.FromSeconds(30);

    private readonly SemaphoreSlim _pages = new(MaxPages, MaxPages);
    private readonly TimeSpan _sendLimit = sendLimit ?? DefaultSendLimit;

    private readonly long _maxBytes = maxBytes ?? DefaultMaxBytes;
    private long _bytes;
    private int _isFailing;

    public Task HandleAsync(HttpContext context)
    {
        var path = context.Request.Path.Value;
        if (!LocalPage.Has(path) && path is not ("/metrics" or "/livez" or "/readyz"))
        {
            return WriteAsync(context, StatusCodes.Status404NotFound, PlainText, "not found; there are / /metrics /livez /readyz /api/v1/\n");
        }

        if (!HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method))
        {
            context.Response.Headers.Allow = "GET, HEAD";
            return WriteAsync(context, StatusCodes.Status405MethodNotAllowed, PlainText, "only GET and HEAD\n");
        }

        return path switch
        {
            "/metrics" => BoundedMetricsAsync(context),
            "/livez" => ConditionsAsync(context, "alive", "not alive", health.Silent()),
            "/readyz" => ConditionsAsync(context, "ready", "not ready", health.Missing()),
            _ => page.HandleAsync(context),
        };
    }

    public void Dispose() => _pages.Dispose();

    private async Task BoundedMetricsAsync(HttpContext context)
    {
        if (!_pages.Wait(TimeSpan.Zero))
        {
            await RefuseAsync(context, ExportFailures.TooMany, $"{MaxPages} scrapers are being served already\n").ConfigureAwait(false);
            return;
        }

        try
        {
            await MetricsAsync(context).ConfigureAwait(false);
        }
        finally
        {
            _pages.Release();
        }
    }

    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "An exporter that fails is counted and stops nobody else.")]
    private async Task MetricsAsync(HttpContext context)
    {
        if (Interlocked.Read(ref _bytes) >= _maxBytes)
        {
            await RefuseForBytesAsync(context).ConfigureAwait(false);
            return;
        }

        var format = PageFormat.Choose(context.Request.Headers.Accept);
        var isGzip = PageFormat.AcceptsGzip(context.Request.Headers.AcceptEncoding);
        using var page = new PageBuffer();
        try
        {
            var report = await reports.FreshAsync(context.RequestAborted).ConfigureAwait(false);
            await prometheus.RenderAsync(report, page, format, context.RequestAborted, isGzip).ConfigureAwait(false);
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

        try
        {
            var held = Interlocked.Add(ref _bytes, page.Length);
            if (held > _maxBytes && held > page.Length)
            {
                await RefuseForBytesAsync(context).ConfigureAwait(false);
                return;
            }

            await SendAsync(context, page, PageFormat.ContentType(format), isGzip).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Add(ref _bytes, -page.Length);
        }
    }

    private Task RefuseForBytesAsync(HttpContext context) => RefuseAsync(
        context, ExportFailures.TooLarge, $"pages of {_maxBytes >> 20} MiB wait for their scrapers to read them already\n");

    private Task RefuseAsync(HttpContext context, string reason, string why)
    {
        failures.Count(ExportFailures.Prometheus, reason);
        context.Response.Headers.RetryAfter = "1";
        return WriteAsync(context, StatusCodes.Status503ServiceUnavailable, PlainText, why);
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

        // This limit alone, which is counted by its reason: the server's own, on the rate, would end it as if the scraper had gone.
        if (context.Features.Get<IHttpMinResponseDataRateFeature>() is { } rate)
        {
            rate.MinDataRate = null;
        }

        using var limit = new CancellationTokenSource(_sendLimit);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, context.RequestAborted);
        try
        {
            await page.SendToAsync(context.Response.Body, end.Token).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is OperationCanceledException or IOException)
        {
            // The scraper went away or is too slow, and misses this page.
            failures.Count(ExportFailures.Prometheus, limit.IsCancellationRequested ? ExportFailures.TimedOut : ExportFailures.WriteFailed);
            context.Abort();
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
