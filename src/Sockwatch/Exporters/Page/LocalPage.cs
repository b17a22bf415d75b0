using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.IO.Compression;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Sockwatch.Diagnostics;

namespace Sockwatch.Exporters.Page;

/// <summary>Serves the page for people: / and its files under /assets/ and /api/v1/. Reads only; nothing here changes anything.</summary>
internal sealed partial class LocalPage(
    LiveTraffic traffic, PageApi api, PageNode node, ExportFailures failures, IOptions<HttpOptions> options, ILogger<LocalPage> logger) : IDisposable
{
    private const string AssetFolder = "/assets/";
    private const string ApiFolder = "/api/v1/";
    private const string HtmlType = "text/html; charset=utf-8";
    private const string JsonType = "application/json; charset=utf-8";
    private const string PlainText = "text/plain; charset=utf-8";

    private readonly PageGuard _guard = new(options.Value);
    private readonly SemaphoreSlim _making = new(1, 1);
    private int _isFailing;

    public static bool Has(string? path) =>
        path is "/" || path?.StartsWith(ApiFolder, StringComparison.Ordinal) == true
        || (path?.StartsWith(AssetFolder, StringComparison.Ordinal) == true && PageAssets.Find(path[AssetFolder.Length..]) is not null);

    /// <summary>For GET and HEAD of a path that <see cref="Has"/> knows.</summary>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "An exporter that fails is counted and stops nobody else.")]
    public async Task HandleAsync(HttpContext context)
    {
        var path = context.Request.Path.Value!;
        PageGuard.Protect(context.Response.Headers);
        if (!_guard.Allows(context.Request.Host))
        {
            await WriteAsync(
                context, StatusCodes.Status421MisdirectedRequest, PlainText,
                "this page is for its own machine: call it by an address, by localhost, or by the machine's name\n").ConfigureAwait(false);
            return;
        }

        if (path.StartsWith(AssetFolder, StringComparison.Ordinal))
        {
            await SendAssetAsync(context, PageAssets.Find(path[AssetFolder.Length..])!).ConfigureAwait(false);
            return;
        }

        context.Response.Headers.CacheControl = "no-store";
        try
        {
            if (path == "/")
            {
                await HomeAsync(context).ConfigureAwait(false);
            }
            else
            {
                await ApiAsync(context, path[ApiFolder.Length..]).ConfigureAwait(false);
            }
        }
        catch (Exception failure) when (failure is OperationCanceledException or IOException && context.RequestAborted.IsCancellationRequested)
        {
            // The browser went away.
        }
        catch (Exception failure)
        {
            failures.Count(ExportFailures.Page, ExportFailures.RenderFailed);
            if (Interlocked.Exchange(ref _isFailing, 1) == 0)
            {
                Log.RenderFailed(logger, PrintableText.Of(failure));
            }

            if (!context.Response.HasStarted)
            {
                await WriteAsync(context, StatusCodes.Status500InternalServerError, PlainText, "the page cannot be rendered; see the agent's log\n")
                    .ConfigureAwait(false);
            }

            return;
        }

        if (Interlocked.Exchange(ref _isFailing, 0) == 1)
        {
            Log.RenderRecovered(logger);
        }
    }

    public void Dispose() => _making.Dispose();

    private async Task HomeAsync(HttpContext context)
    {
        var query = context.Request.Query;
        if (EdgeQuery.Parse(query, out var error) is not { } edges)
        {
            await WriteAsync(context, StatusCodes.Status400BadRequest, PlainText, $"{error}\n").ConfigureAwait(false);
            return;
        }

        var view = await traffic.FreshAsync(context.RequestAborted).ConfigureAwait(false);
        EdgeRow? edge = long.TryParse(query["edge"].ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? view.Find(id) : null;
        var html = await InTurnAsync(() => HomePage.Render(view, edges, edge, node), context.RequestAborted).ConfigureAwait(false);
        await WriteAsync(context, StatusCodes.Status200OK, HtmlType, html).ConfigureAwait(false);
    }

    private async Task ApiAsync(HttpContext context, string resource)
    {
        var view = await traffic.FreshAsync(context.RequestAborted).ConfigureAwait(false);
        var isGzip = PageFormat.AcceptsGzip(context.Request.Headers.AcceptEncoding);
        using var answer = new PageBuffer();
        var status = await InTurnAsync(
            () =>
            {
                using var gzip = isGzip ? new GZipStream(answer, CompressionLevel.Fastest, leaveOpen: true) : null;
                return api.Answer(resource, context.Request.Query, view, gzip ?? (Stream)answer);
            },
            context.RequestAborted).ConfigureAwait(false);
        await SendAsync(context, status, JsonType, isGzip, answer).ConfigureAwait(false);
    }

    /// <summary>Pages and answers are made one after the other: however many ask, it is one processor's work at most.</summary>
    private async Task<T> InTurnAsync<T>(Func<T> make, CancellationToken cancellation)
    {
        await _making.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            return make();
        }
        finally
        {
            _making.Release();
        }
    }

    private static async Task WriteAsync(HttpContext context, int status, string contentType, string text)
    {
        using var page = new PageBuffer();
        var isGzip = contentType == HtmlType && PageFormat.AcceptsGzip(context.Request.Headers.AcceptEncoding);
        Stream target = isGzip ? new GZipStream(page, CompressionLevel.Fastest, leaveOpen: true) : page;
        using (var writer = new StreamWriter(target, leaveOpen: !isGzip))
        {
            await writer.WriteAsync(text).ConfigureAwait(false);
        }

        await SendAsync(context, status, contentType, isGzip, page).ConfigureAwait(false);
    }

    private static async Task SendAsync(HttpContext context, int status, string contentType, bool isGzip, PageBuffer page)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = contentType;
        context.Response.ContentLength = page.Length;
        context.Response.Headers.Vary = "Accept-Encoding";
        if (isGzip)
        {
            context.Response.Headers.ContentEncoding = "gzip";
        }

        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await page.SendToAsync(context.Response.Body, context.RequestAborted).ConfigureAwait(false);
        }
    }

    private static Task SendAssetAsync(HttpContext context, PageAsset asset)
    {
        // Asked about at every visit, sent when it changed: an agent that was replaced is never shown by its predecessor's script.
        var headers = context.Response.Headers;
        headers.CacheControl = "no-cache";
        headers.ETag = asset.Tag;
        headers.Vary = "Accept-Encoding";
        if (context.Request.Headers.IfNoneMatch.ToString().Contains(asset.Tag, StringComparison.Ordinal))
        {
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            return Task.CompletedTask;
        }

        var isGzip = PageFormat.AcceptsGzip(context.Request.Headers.AcceptEncoding);
        var content = isGzip ? asset.Compressed : asset.Content;
        if (isGzip)
        {
            headers.ContentEncoding = "gzip";
        }

        context.Response.ContentType = asset.ContentType;
        context.Response.ContentLength = content.Length;
        return HttpMethods.IsHead(context.Request.Method)
            ? Task.CompletedTask
            : context.Response.Body.WriteAsync(content, context.RequestAborted).AsTask();
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Error, "The page cannot be rendered: {Reason}")]
        public static partial void RenderFailed(ILogger logger, string reason);

        [LoggerMessage(LogLevel.Information, "The page can be rendered again")]
        public static partial void RenderRecovered(ILogger logger);
    }
}
