using System.Globalization;
using System.Net.Http.Headers;
using k8s;
using k8s.Authentication;
using k8s.Exceptions;
using Sockwatch.Kernel;

namespace Sockwatch.Enrichment.Kubernetes.Api;

/// <summary>What the kubelet puts into a pod for it to reach the API server.</summary>
internal sealed class ServiceAccount(Func<string, string?> environment, string directory = ServiceAccount.UsualDirectory)
{
    public const string UsualDirectory = "/var/run/secrets/kubernetes.io/serviceaccount";

    private string Token => Path.Combine(directory, "token");

    private string Authorities => Path.Combine(directory, "ca.crt");

    /// <summary>Whether this is a pod at all.</summary>
    public bool IsInCluster => Host.Length > 0;

    /// <summary>Whether it is one that may speak to the API server.</summary>
    public bool IsThere => IsInCluster && File.Exists(Token);

    private string Host => environment("KUBERNETES_SERVICE_HOST") ?? "";

    private string Port => environment("KUBERNETES_SERVICE_PORT") is { Length: > 0 } port ? port : "443";

    public KubernetesClientConfiguration Load()
    {
        if (!IsThere)
        {
            throw new KubeConfigException($"this is no pod with a service account: KUBERNETES_SERVICE_HOST is not set, or {Token} is not there");
        }

        return new KubernetesClientConfiguration
        {
            Host = new UriBuilder("https", Host, int.Parse(Port, CultureInfo.InvariantCulture)).ToString(),
            TokenProvider = new TokenOfFile(Token),
            SslCaCerts = PemFiles.Authorities(Authorities),
        };
    }

    // Read for each request: the kubelet replaces it every hour or so, and requests are few.
    private sealed class TokenOfFile(string path) : ITokenProvider
    {
        public Task<AuthenticationHeaderValue> GetAuthenticationHeaderAsync(CancellationToken cancellationToken) =>
            Task.FromResult(new AuthenticationHeaderValue(
                "Bearer", HostPaths.ReadText(path) ?? throw new KubeConfigException($"{path} cannot be read")));
    }
}
