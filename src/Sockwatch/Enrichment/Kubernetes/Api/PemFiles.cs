using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using k8s;
using k8s.Exceptions;

namespace Sockwatch.Enrichment.Kubernetes.Api;

/// <summary>Certificates as Kubernetes keeps them: PEM, in a file or in the kubeconfig itself.</summary>
internal static class PemFiles
{
    public static X509Certificate2Collection Authorities(string path)
    {
        var authorities = new X509Certificate2Collection();
        try
        {
            authorities.ImportFromPemFile(path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new KubeConfigException($"{path} cannot be read: {failure.Message}");
        }

        return authorities.Count > 0 ? authorities : throw new KubeConfigException($"{path} has no certificate");
    }

    /// <summary>The client's own certificate; null when the configuration has none.</summary>
    public static X509Certificate2? Own(KubernetesClientConfiguration configuration)
    {
        var certificate = Text(configuration.ClientCertificateData, configuration.ClientCertificateFilePath);
        var key = Text(configuration.ClientCertificateKeyData, configuration.ClientKeyFilePath);
        return certificate is null || key is null ? null : X509Certificate2.CreateFromPem(certificate, key);
    }

    private static string? Text(string? base64, string? path) =>
        !string.IsNullOrEmpty(base64) ? Encoding.UTF8.GetString(Convert.FromBase64String(base64))
        : !string.IsNullOrEmpty(path) ? File.ReadAllText(path)
        : null;
}
