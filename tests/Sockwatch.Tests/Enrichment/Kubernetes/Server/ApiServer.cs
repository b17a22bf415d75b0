using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;

namespace Sockwatch.Tests.Enrichment.Kubernetes.Server;

/// <summary>
/// The part of a Kubernetes API server that lists and watches, on a real socket with TLS: field selectors, resource versions, pages,
/// bookmarks, expiry, tokens and rights, by the rules of the real one. A test can make it misbehave.
/// </summary>
internal sealed class ApiServer : IAsyncDisposable
{
    private readonly WebApplication _server;
    private readonly ConcurrentDictionary<string, (ImmutableSortedDictionary<string, StoredObject> Objects, long Version)> _pages = [];
    private CancellationTokenSource _cut = new();

    private ApiServer(WebApplication server, X509Certificate2? certificate)
    {
        _server = server;
        Certificate = certificate;
    }

    public ApiStore Store { get; } = new();

    public Uri Url => new(_server.Urls.First());

    /// <summary>What is shown at the next handshake.</summary>
    public X509Certificate2? Certificate { get; set; }

    /// <summary>Empty lets everybody in.</summary>
    public HashSet<string> Tokens { get; } = [];

    /// <summary>"list pods" and the like; empty allows everything.</summary>
    public HashSet<string> Rights { get; } = [];

    public ConcurrentQueue<string> Requests { get; } = [];

    /// <summary>A server of before 1.34 answers a list out of its cache all at once, whatever the limit.</summary>
    public bool PagesOutOfCache { get; set; }

    public TimeSpan BookmarkInterval { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>Whether expiry is told as an HTTP status or, as the watch cache does, within the stream.</summary>
    public bool ExpiryIsStatus { get; set; }

    /// <summary>Bytes of an answer at a time, and the pause after them; 0 is all at once.</summary>
    public (int Bytes, TimeSpan Pause) Slowness { get; set; }

    /// <summary>Answers in place of the server; true when it did.</summary>
    public Func<HttpContext, Task<bool>>? Misbehave { get; set; }

    public long BytesSent { get; private set; }

    public string ClientCertificate { get; private set; } = "";

    /// <summary>As of a server behind a proxy; what does not begin with it is not found.</summary>
    public string Prefix { get; set; } = "";

    public string UserAgent { get; private set; } = "";

    public static async Task<ApiServer> StartAsync(X509Certificate2? certificate = null, int port = 0, HttpProtocols protocols = HttpProtocols.Http1AndHttp2)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        ApiServer? server = null;
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MinResponseDataRate = null;
            kestrel.Listen(IPAddress.Loopback, port, listen =>
            {
                listen.Protocols = certificate is null ? HttpProtocols.Http1 : protocols;
                if (certificate is not null)
                {
                    listen.UseHttps(https =>
                    {
                        https.ServerCertificateSelector = (_, _) => server!.Certificate;
                        https.ClientCertificateMode = ClientCertificateMode.AllowCertificate;
                        https.AllowAnyClientCertificate();
                    });
                }
            });
        });
        var application = builder.Build();
        server = new ApiServer(application, certificate);
        application.Run(server.HandleAsync);
        await application.StartAsync();
        return server;
    }

    /// <summary>Ends every answer under way, in the middle of whatever it says.</summary>
    public void Cut()
    {
        var cut = Interlocked.Exchange(ref _cut, new CancellationTokenSource());
        cut.Cancel();
    }

    public int Count(string part) => Requests.Count(request => request.Contains(part, StringComparison.Ordinal));

    public async ValueTask DisposeAsync()
    {
        Cut();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await _server.StopAsync(patience.Token);
        await _server.DisposeAsync();
    }

    private async Task HandleAsync(HttpContext context)
    {
        if (!context.Request.Path.StartsWithSegments(Prefix, out var path))
        {
            context.Response.StatusCode = 404;
            return;
        }

        var resource = path.Value!.Split('/');
        var isOne = resource.Length > 5;
        var name = isOne ? resource[^2] : resource[^1];
        var query = context.Request.Query;
        var verb = isOne ? "get" : query["watch"] == "true" ? "watch" : "list";
        ClientCertificate = context.Connection.ClientCertificate?.Subject ?? "";
        UserAgent = context.Request.Headers.UserAgent.ToString();
        Requests.Enqueue($"{verb} {path}{context.Request.QueryString}");
        if (Misbehave is { } misbehave && await misbehave(context))
        {
            return;
        }

        var token = context.Request.Headers.Authorization.ToString();
        if (Tokens.Count > 0 && !Tokens.Contains(token.Replace("Bearer ", "", StringComparison.Ordinal)))
        {
            await StatusAsync(context, 401, "Unauthorized", "Unauthorized");
            return;
        }

        if (Rights.Count > 0 && !Rights.Contains($"{verb} {name}"))
        {
            await StatusAsync(context, 403, "Forbidden", $"{name} is forbidden: User \"sockwatch\" cannot {verb} resource \"{name}\" at the cluster scope");
            return;
        }

        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _cut.Token);
        try
        {
            await (verb switch
            {
                "get" => GetAsync(context, name, $"{resource[^3]}/{resource[^1]}"),
                "watch" => WatchAsync(context, name, ending.Token),
                _ => ListAsync(context, name, ending.Token),
            });
        }
        catch (OperationCanceledException)
        {
            context.Abort();
        }
    }

    private async Task GetAsync(HttpContext context, string resource, string key)
    {
        if (!Store.Snapshot().Objects.TryGetValue($"{resource}/{key}", out var stored))
        {
            await StatusAsync(context, 404, "NotFound", $"{resource} \"{key}\" not found");
            return;
        }

        var whole = JsonNode.Parse(stored.Text)!.AsObject();
        var isMetadataOnly = context.Request.Headers.Accept.ToString().Contains("as=PartialObjectMetadata", StringComparison.Ordinal);
        var answer = isMetadataOnly
            ? new JsonObject { ["kind"] = "PartialObjectMetadata", ["apiVersion"] = "meta.k8s.io/v1", ["metadata"] = whole["metadata"]!.DeepClone() }
            : whole;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(answer.ToJsonString());
    }

    private async Task ListAsync(HttpContext context, string resource, CancellationToken ending)
    {
        var query = context.Request.Query;
        var (objects, version) = Store.Snapshot();
        var after = "";
        var token = query["continue"].ToString();
        if (token.Length > 0)
        {
            var parts = Encoding.UTF8.GetString(Convert.FromBase64String(token)).Split('\n', 2);
            if (!_pages.TryGetValue(parts[0], out var page) || page.Version < Store.Compacted)
            {
                await StatusAsync(context, 410, "Expired", "The provided continue parameter is too old to display a consistent list result.");
                return;
            }

            (objects, version) = page;
            after = parts[1];
        }

        var isLimited = int.TryParse(query["limit"], out var limit) && limit > 0 && (query["resourceVersion"] != "0" || PagesOutOfCache);
        var selects = Selector(query["fieldSelector"].ToString());
        context.Response.ContentType = "application/json";
        var written = 0;
        string? last = null;
        var more = false;
        await WriteAsync(context, $"{{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[", ending);
        var text = new StringBuilder();
        foreach (var (key, stored) in objects)
        {
            if (stored.Resource != resource || string.CompareOrdinal(key, after) <= 0 || !selects(stored))
            {
                continue;
            }

            if (isLimited && written == limit)
            {
                more = true;
                break;
            }

            text.Append(written++ > 0 ? "," : "").Append(stored.Text);
            last = key;
            if (text.Length > 256 * 1024)
            {
                await WriteAsync(context, text.ToString(), ending);
                text.Clear();
            }
        }

        var next = "";
        if (more)
        {
            var id = version.ToString(CultureInfo.InvariantCulture);
            _pages[id] = (objects, version);
            next = Convert.ToBase64String(Encoding.UTF8.GetBytes($"{id}\n{last}"));
        }

        // Last, to show that nobody depends on the order that Go happens to write in.
        await WriteAsync(context, $"{text}],\"metadata\":{{\"resourceVersion\":\"{version}\",\"continue\":\"{next}\"}}}}\n", ending);
    }

    private async Task WatchAsync(HttpContext context, string resource, CancellationToken ending)
    {
        var query = context.Request.Query;
        var selects = Selector(query["fieldSelector"].ToString());
        var length = int.TryParse(query["timeoutSeconds"], out var seconds) ? TimeSpan.FromSeconds(seconds) : TimeSpan.FromMinutes(30);
        var version = long.Parse(query["resourceVersion"].ToString() is { Length: > 0 } given ? given : "0", CultureInfo.InvariantCulture);
        if (version > Store.Version)
        {
            await StatusAsync(context, 504, "Timeout", $"Too large resource version: {version}", cause: "ResourceVersionTooLarge");
            return;
        }

        if (version != 0 && version < Store.Compacted && ExpiryIsStatus)
        {
            await StatusAsync(context, 410, "Expired", $"too old resource version: {version}");
            return;
        }

        context.Response.ContentType = "application/json";
        await context.Response.StartAsync(ending);
        await context.Response.Body.FlushAsync(ending);
        if (version == 0)
        {
            var (objects, now) = Store.Snapshot();
            foreach (var stored in objects.Values.Where(stored => stored.Resource == resource && selects(stored)))
            {
                await EventAsync(context, "ADDED", stored.Text, ending);
            }

            version = now;
        }

        var until = DateTimeOffset.UtcNow + length;
        var bookmarkAt = DateTimeOffset.UtcNow + BookmarkInterval;
        while (DateTimeOffset.UtcNow < until)
        {
            var (events, more) = Store.EventsAfter(version);
            if (events is null)
            {
                await EventAsync(context, "ERROR", Status(410, "Expired", $"too old resource version: {version}"), ending);
                return;
            }

            foreach (var happened in events)
            {
                version = happened.Version;
                if (happened.Object.Resource == resource && Seen(happened, selects) is { } seen)
                {
                    await EventAsync(context, seen.Type, seen.Text, ending);
                }
            }

            var wake = bookmarkAt < until ? bookmarkAt : until;
            var wait = wake - DateTimeOffset.UtcNow;
            if (events.Count == 0 && wait > TimeSpan.Zero)
            {
                await Task.WhenAny(more, Task.Delay(wait, ending));
                ending.ThrowIfCancellationRequested();
            }

            if (query["allowWatchBookmarks"] == "true" && DateTimeOffset.UtcNow >= bookmarkAt)
            {
                await EventAsync(context, "BOOKMARK", $"{{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{{\"resourceVersion\":\"{version}\",\"creationTimestamp\":null}},\"spec\":{{\"containers\":null}},\"status\":{{}}}}", ending);
                bookmarkAt = DateTimeOffset.UtcNow + BookmarkInterval;
            }
        }
    }

    // For a watch with a selector, an object that no longer fits is gone.
    private static (string Type, string Text)? Seen(StoredEvent happened, Func<StoredObject, bool> selects)
    {
        var fits = selects(happened.Object);
        var fitted = happened.Before is { } before && selects(before);
        return (happened.Type, fits, fitted) switch
        {
            ("DELETED", _, true) => ("DELETED", happened.Object.Text),
            ("DELETED", _, _) => null,
            (_, true, true) => ("MODIFIED", happened.Object.Text),
            (_, true, false) => ("ADDED", happened.Object.Text),
            (_, false, true) => ("DELETED", (happened.Before! with { Version = happened.Version }).Text),
            _ => null,
        };
    }

    private static Func<StoredObject, bool> Selector(string text)
    {
        var terms = text.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(term =>
        {
            var isNot = term.Contains("!=", StringComparison.Ordinal);
            var parts = term.Split(isNot ? "!=" : "=", 2);
            return (Field: parts[0], Value: parts[1], IsNot: isNot);
        }).ToArray();
        return stored => Array.TrueForAll(terms, term => (stored.Fields.GetValueOrDefault(term.Field, "") == term.Value) != term.IsNot);
    }

    private Task EventAsync(HttpContext context, string type, string text, CancellationToken ending) =>
        WriteAsync(context, $"{{\"type\":\"{type}\",\"object\":{text}}}\n", ending);

    private async Task WriteAsync(HttpContext context, string text, CancellationToken ending)
    {
        // One char a byte: a test can write bytes that are no UTF-8.
        var bytes = text.AsSpan().ContainsAnyInRange('\x80', '\xff') ? Encoding.Latin1.GetBytes(text) : Encoding.UTF8.GetBytes(text);
        BytesSent += bytes.Length;
        var (length, pause) = Slowness;
        for (var sent = 0; sent < bytes.Length;)
        {
            var part = length == 0 ? bytes.Length : Math.Min(length, bytes.Length - sent);
            await context.Response.Body.WriteAsync(bytes.AsMemory(sent, part), ending);
            await context.Response.Body.FlushAsync(ending);
            sent += part;
            if (pause > TimeSpan.Zero)
            {
                await Task.Delay(pause, ending);
            }
        }
    }

    public static async Task StatusAsync(HttpContext context, int code, string reason, string message, int? retryAfter = null, string? cause = null)
    {
        context.Response.StatusCode = code;
        context.Response.ContentType = "application/json";
        if (retryAfter is { } seconds)
        {
            context.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        }

        await context.Response.WriteAsync(Status(code, reason, message, cause));
    }

    private static string Status(int code, string reason, string message, string? cause = null)
    {
        var causes = cause is null ? "" : $",\"details\":{{\"causes\":[{{\"reason\":\"{cause}\"}}]}}";
        return $"{{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{{}},\"status\":\"Failure\",\"message\":{JsonSerializer.Serialize(message)},\"reason\":\"{reason}\",\"code\":{code}{causes}}}";
    }
}
