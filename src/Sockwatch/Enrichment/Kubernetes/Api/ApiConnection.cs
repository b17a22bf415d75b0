using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using k8s;
using k8s.Authentication;
using k8s.Exceptions;

namespace Sockwatch.Enrichment.Kubernetes.Api;

/// <summary>
/// The way to the API server, made anew from its files whenever a request failed: tokens, certificates and authorities are
/// replaced while we run, and what they are now is only in the files. May be called from any thread.
/// </summary>
internal sealed class ApiConnection(Func<KubernetesClientConfiguration> load, string userAgent) : IDisposable
{
    private static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private Line? _line;

    /// <summary>To be given back by <see cref="Line.Dispose"/>, after which it may still serve others.</summary>
    public Line Take()
    {
        lock (_lock)
        {
            _line ??= Make();
            _line.Use();
            return _line;
        }
    }

    /// <summary>The next request starts from the files; those under way end as they may.</summary>
    public void Renew(Line line)
    {
        lock (_lock)
        {
            if (_line == line)
            {
                _line = null;
                line.Retire();
            }
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _line?.Retire();
            _line = null;
        }
    }

    // Files that others write hold anything, and the library says so in any way.
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "Whatever went wrong, it is said and tried again.")]
    private Line Make()
    {
        try
        {
            return new Line(load(), userAgent);
        }
        catch (Exception failure) when (failure is not KubeConfigException)
        {
            throw new KubeConfigException($"the way to the API server cannot be read: {failure.Message}", failure);
        }
    }

    /// <summary>One set of connections, with the credentials of its time.</summary>
    internal sealed class Line : IDisposable
    {
        private readonly string _server;
        private readonly SocketsHttpHandler _handler;
        private readonly HttpClient _client;
        private readonly ServiceClientCredentials? _credentials;
        private readonly X509Certificate2? _own;
        private readonly Lock _lock = new();
        private int _users;
        private bool _isRetired;

        public Line(KubernetesClientConfiguration configuration, string userAgent)
        {
            _server = new Uri(configuration.Host).AbsoluteUri.TrimEnd('/');
            _credentials = k8s.Kubernetes.CreateCredentials(configuration);
            _own = PemFiles.Own(configuration);
            _handler = new SocketsHttpHandler
            {
                AutomaticDecompression = DecompressionMethods.GZip,
                AllowAutoRedirect = false,
                UseCookies = false,
                ConnectTimeout = ConnectPatience,
                ConnectCallback = ConnectAsync,

                // A peer that is gone without a word is noticed within half a minute.
                KeepAlivePingDelay = TimeSpan.FromSeconds(20),
                KeepAlivePingTimeout = TimeSpan.FromSeconds(10),
                KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
                PooledConnectionLifetime = TimeSpan.FromMinutes(15),
                SslOptions = Tls(configuration, _own),
            };
            _client = new HttpClient(_handler)
            {
                Timeout = Timeout.InfiniteTimeSpan,
                DefaultRequestVersion = configuration.DisableHttp2 ? HttpVersion.Version11 : HttpVersion.Version20,
                DefaultVersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
            };
            _client.DefaultRequestHeaders.TryAddWithoutValidation("User-Agent", userAgent);
        }

        /// <summary>A server behind a proxy has a path of its own before ours.</summary>
        public Uri Url(string path) => new(_server + path);

        internal void Use()
        {
            lock (_lock)
            {
                _users++;
            }
        }

        public async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellation)
        {
            if (_credentials is not null)
            {
                await _credentials.ProcessHttpRequestAsync(request, cancellation).ConfigureAwait(false);
            }

            request.Version = _client.DefaultRequestVersion;
            request.VersionPolicy = _client.DefaultVersionPolicy;
            return await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation).ConfigureAwait(false);
        }

        public void Dispose()
        {
            lock (_lock)
            {
                _users--;
                EndIfUnused();
            }
        }

        internal void Retire()
        {
            lock (_lock)
            {
                _isRetired = true;
                EndIfUnused();
            }
        }

        private static SslClientAuthenticationOptions Tls(KubernetesClientConfiguration configuration, X509Certificate2? own)
        {
            var tls = new SslClientAuthenticationOptions();
            if (!string.IsNullOrEmpty(configuration.TlsServerName))
            {
                tls.TargetHost = configuration.TlsServerName;
            }

            if (own is not null)
            {
                // Offline: the chain is the server's business, and nobody else is asked for it.
                tls.ClientCertificateContext = SslStreamCertificateContext.Create(own, additionalCertificates: null, offline: true);
            }

            if (configuration.SkipTlsVerify)
            {
                // The kubeconfig says so: insecure-skip-tls-verify.
#pragma warning disable CA5359
                tls.RemoteCertificateValidationCallback = (_, _, _, _) => true;
#pragma warning restore CA5359
            }
            else if (configuration.SslCaCerts is { Count: > 0 } authorities)
            {
                var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
                policy.CustomTrustStore.AddRange(authorities);
                tls.CertificateChainPolicy = policy;
            }

            return tls;
        }

        private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellation)
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 20);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 5);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
                await socket.ConnectAsync(context.DnsEndPoint, cancellation).ConfigureAwait(false);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }

        private void EndIfUnused()
        {
            if (_isRetired && _users == 0)
            {
                _client.Dispose();
                _handler.Dispose();
                _own?.Dispose();
            }
        }
    }
}
