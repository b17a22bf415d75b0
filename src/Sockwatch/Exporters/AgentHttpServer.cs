using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Sockwatch.Exporters;

/// <summary>The one listener. Kestrel alone, without a web host: no routing, no middleware, no log of requests.</summary>
internal sealed partial class AgentHttpServer(IOptions<HttpOptions> options, AgentPages pages, ILogger<AgentHttpServer> logger)
    : IHostedService, IDisposable
{
    // Scrapers, probes and a few browsers; whoever opens more is up to no good.
    private const int MaxConnections = 128;
    private const int MaxRequestHeadBytes = 16 * 1024;

    // A scraper that reads slowly is not waited for: the stages after this one have their last words to say.
    private static readonly TimeSpan StopPatience = TimeSpan.FromMilliseconds(500);

    /// <summary>How long a connection may do nothing: past a scrape every 15 s. So many idle ones cannot keep probes out for longer.</summary>
    internal TimeSpan IdleLimit { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long a request may take to say what it wants.</summary>
    internal TimeSpan RequestHeadLimit { get; init; } = TimeSpan.FromSeconds(5);

    private KestrelServer? _server;
    private ServiceProvider? _services;

    /// <summary>Where it listens: with port 0 in the options, the port the kernel chose. Null before it started.</summary>
    public Uri? Address { get; private set; }

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (!ListenAddress.TryParse(options.Value.Listen, out var listen))
        {
            throw new ListenException($"cannot listen on \"{options.Value.Listen}\": expected ADDRESS:PORT or :PORT");
        }

        _services = new ServiceCollection().BuildServiceProvider();
        var kestrel = new KestrelServerOptions { ApplicationServices = _services, AddServerHeader = false };
        kestrel.Limits.MaxConcurrentConnections = MaxConnections;
        kestrel.Limits.MaxRequestBodySize = 0;
        kestrel.Limits.MaxRequestHeadersTotalSize = MaxRequestHeadBytes;
        kestrel.Limits.KeepAliveTimeout = IdleLimit;
        kestrel.Limits.RequestHeadersTimeout = RequestHeadLimit;
        if (listen.Address is { } address)
        {
            kestrel.Listen(address, listen.Port, Http1Only);
        }
        else
        {
            kestrel.ListenAnyIP(listen.Port, Http1Only);
        }

        // What clients do to their connections is theirs; it is not logged.
        var quiet = NullLoggerFactory.Instance;
        _server = new KestrelServer(
            Options.Create(kestrel),
            new SocketTransportFactory(Options.Create(new SocketTransportOptions()), quiet),
            quiet);
        try
        {
            await _server.StartAsync(new Application(pages), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure) when (Reason(failure) is not null)
        {
            throw new ListenException($"cannot listen on {listen}: {Reason(failure)}", failure);
        }

        Address = new Uri(_server.Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.First());
        Log.Listening(logger, $"{Address.Host}:{Address.Port}");
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_server is not null)
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            patience.CancelAfter(StopPatience);
            await _server.StopAsync(patience.Token).ConfigureAwait(false);
        }
    }

    public void Dispose()
    {
        _server?.Dispose();
        _services?.Dispose();
    }

    private static void Http1Only(ListenOptions options) => options.Protocols = HttpProtocols.Http1;

    private static string? Reason(Exception failure)
    {
        for (var cause = failure; cause is not null; cause = cause.InnerException)
        {
            switch (cause)
            {
                case AddressInUseException or SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse }:
                    return "another program has the port; stop it, or choose another with --listen ADDRESS:PORT";
                case SocketException { SocketErrorCode: SocketError.AddressNotAvailable }:
                    return "no interface of this machine has the address; choose another with --listen ADDRESS:PORT, or :PORT for all";
                case SocketException { SocketErrorCode: SocketError.AccessDenied }:
                    return "permission denied; ports below 1024 take CAP_NET_BIND_SERVICE, choose a higher one with --listen ADDRESS:PORT";
                case SocketException socket:
                    return socket.Message;
            }
        }

        return null;
    }

    private sealed class Application(AgentPages pages) : IHttpApplication<HttpContext>
    {
        public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

        public Task ProcessRequestAsync(HttpContext context) => pages.HandleAsync(context);

        public void DisposeContext(HttpContext context, Exception? exception)
        {
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Listening on {Address}")]
        public static partial void Listening(ILogger logger, string address);
    }
}
