using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Sockwatch.Configuration;

namespace Sockwatch.Exporters.Otlp;

/// <summary>Whom to trust, and who we are. Files are read once, at start, so that a wrong one is told there and then.</summary>
internal sealed record OtlpTrust(string Certificate, string ClientCertificate, string ClientKey)
{
    public SslClientAuthenticationOptions Load()
    {
        var options = new SslClientAuthenticationOptions();
        if (Certificate.Length > 0)
        {
            var authorities = new X509Certificate2Collection();
            Read("otlp.certificate", Certificate, () => authorities.ImportFromPemFile(Certificate));
            if (authorities.Count == 0)
            {
                throw new ConfigurationException($"otlp.certificate {Certificate} holds no certificate; expected a PEM file");
            }

            var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            policy.CustomTrustStore.AddRange(authorities);
            options.CertificateChainPolicy = policy;
        }

        if (ClientCertificate.Length > 0)
        {
            var own = Read("otlp.clientCertificate", ClientCertificate, () => X509Certificate2.CreateFromPemFile(ClientCertificate, ClientKey));
            options.ClientCertificateContext = SslStreamCertificateContext.Create(own, null, offline: true);
        }

        return options;
    }

    private static T Read<T>(string key, string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            throw new ConfigurationException($"{key} {path} cannot be used: {failure.Message}", failure);
        }
    }

    private static void Read(string key, string path, Action read) => Read(key, path, () =>
    {
        read();
        return true;
    });
}
