using System.Collections;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Sockwatch.Configuration;
using Sockwatch.Diagnostics;
using Sockwatch.Enrichment;
using Sockwatch.Enrichment.Kubernetes;
using Sockwatch.Enrichment.Kubernetes.Api;
using Sockwatch.Tests.Enrichment.Kubernetes.Server;

namespace Sockwatch.Tests.Enrichment.Kubernetes;

public sealed class KubernetesServicesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Outside_of_a_pod_nothing_of_it_is_there()
    {
        using var services = Services([], null, host: null);

        Assert.Null(services.GetService<ILocalPods>());
        Assert.Null(services.GetService<IRemotePeers>());
        Assert.Empty(services.GetServices<IHostedService>());
    }

    [Fact]
    public void A_pod_without_a_token_is_told_why_it_has_no_names()
    {
        using var services = Services([], "node-1");

        Assert.IsType<KubernetesAbsence>(Assert.Single(services.GetServices<IHostedService>()));
        Assert.Null(services.GetService<ILocalPods>());
    }

    [Fact]
    public void In_a_pod_it_is_on_by_itself_and_off_when_told_so()
    {
        InPod();

        using var on = Services([], "node-7");
        Assert.NotNull(on.GetService<ILocalPods>());
        Assert.NotNull(on.GetService<IRemotePeers>());
        Assert.Equal("node-7", on.GetRequiredService<IOptions<KubernetesOptions>>().Value.NodeName);

        using var off = Services(new() { ["SOCKWATCH__KUBERNETES__ENABLED"] = "off" }, "node-7");
        Assert.Null(off.GetService<ILocalPods>());

        using var noAddresses = Services(new() { ["SOCKWATCH__KUBERNETES__SCOPE"] = "off", ["SOCKWATCH__KUBERNETES__NODENAME"] = "mine" }, "node-7");
        Assert.NotNull(noAddresses.GetService<ILocalPods>());
        Assert.Null(noAddresses.GetService<IRemotePeers>());
        Assert.Equal("mine", noAddresses.GetRequiredService<IOptions<KubernetesOptions>>().Value.NodeName);
    }

    [Fact]
    public void A_pod_that_is_not_told_its_node_is_warned_that_it_guesses()
    {
        InPod();

        using var guessed = Services([], null);
        using var told = Services([], "node-7");

        Assert.Single(guessed.GetServices<IHostedService>().OfType<GuessedNodeName>());
        Assert.Empty(told.GetServices<IHostedService>().OfType<GuessedNodeName>());
    }

    [Theory]
    [InlineData("apiVersion: v1\nclusters: [", "it is no YAML")]
    [InlineData("apiVersion: v1\nkind: Config\ncurrent-context: x\ncontexts: []\nclusters: []\nusers: []\n", "CurrentContext: x not found")]
    [InlineData("apiVersion: v1\nkind: Config\n", "")]
    [InlineData(null, "kubeconfig file not found at /nowhere/config")]
    public void A_kubeconfig_that_is_none_is_said_at_once_and_in_one_line(string? text, string reason)
    {
        var path = text is null ? "/nowhere/config" : _folder.Write("config", text);

        var failure = Assert.Throws<ConfigurationException>(() => Services(new() { ["SOCKWATCH__KUBERNETES__KUBECONFIG"] = path }, null).Dispose());

        Assert.StartsWith($"kubernetes.kubeconfig is \"{path}\", but ", failure.Message);
        Assert.Contains(reason, failure.Message);
        Assert.DoesNotContain('\n', failure.Message);
    }

    [Fact]
    public void On_without_a_cluster_is_said_at_once()
    {
        var failure = Assert.Throws<ConfigurationException>(() => Services(new() { ["SOCKWATCH__KUBERNETES__ENABLED"] = "on" }, null).Dispose());

        Assert.StartsWith("kubernetes.enabled is \"on\", but this is no pod with a service account", failure.Message);
    }

    [Fact]
    public async Task A_kubeconfig_with_a_token_and_an_authority_is_enough()
    {
        using var authority = Certificates.Authority("first");
        await using var server = await ApiServer.StartAsync(Certificates.Of("127.0.0.1", authority));
        server.Tokens.Add("secret");
        var pod = new Pod("one");
        server.Store.Put(pod);
        var path = _folder.Write("config", $"""
            apiVersion: v1
            kind: Config
            current-context: test
            contexts: [{"{"}name: test, context: {"{"}cluster: here, user: me{"}"}{"}"}]
            clusters:
              - name: here
                cluster: {"{"}server: "{server.Url}", certificate-authority-data: {Base64(authority.ExportCertificatePem())}{"}"}
            users: [{"{"}name: me, user: {"{"}token: secret{"}"}{"}"}]
            """);
        using var services = Services(new() { ["SOCKWATCH__KUBERNETES__KUBECONFIG"] = path }, "node-1");
        var names = services.GetRequiredService<KubernetesNames>();
        await names.StartAsync(CancellationToken.None);

        var until = DateTimeOffset.UtcNow.AddSeconds(20);
        while (names.Pods.Count == 0 && DateTimeOffset.UtcNow < until)
        {
            await Task.Delay(10);
        }

        await names.StopAsync(CancellationToken.None);
        Assert.NotNull(services.GetRequiredService<ILocalPods>().Find(new CgroupName(null, pod.Uid, null, ""), out _));
        Assert.StartsWith("sockwatch/", server.UserAgent);
    }

    [Fact]
    public async Task A_kubeconfig_with_a_certificate_of_its_own_is_enough_and_the_servers_path_is_kept()
    {
        using var authority = Certificates.Authority("first");
        using var own = Certificates.Of("127.0.0.1", authority);
        await using var server = await ApiServer.StartAsync(Certificates.Of("127.0.0.1", authority));
        server.Prefix = "/k8s/clusters/c-1";
        server.Store.Put(new Pod("one"));
        _folder.Write("ca.crt", authority.ExportCertificatePem());
        var path = _folder.Write("config", $"""
            apiVersion: v1
            kind: Config
            current-context: test
            contexts: [{"{"}name: test, context: {"{"}cluster: here, user: me{"}"}{"}"}]
            clusters: [{"{"}name: here, cluster: {"{"}server: "{server.Url}k8s/clusters/c-1/", certificate-authority: ca.crt{"}"}{"}"}]
            users:
              - name: me
                user:
                  client-certificate-data: {Base64(own.ExportCertificatePem())}
                  client-key-data: {Base64(own.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem())}
            """);
        using var services = Services(new() { ["SOCKWATCH__KUBERNETES__KUBECONFIG"] = path }, "node-1");
        var names = services.GetRequiredService<KubernetesNames>();
        await names.StartAsync(CancellationToken.None);

        var until = DateTimeOffset.UtcNow.AddSeconds(20);
        while (names.Pods.Count == 0 && DateTimeOffset.UtcNow < until)
        {
            await Task.Delay(10);
        }

        await names.StopAsync(CancellationToken.None);
        Assert.Equal(1, names.Pods.Count);
        Assert.Equal("CN=kube-apiserver", server.ClientCertificate);
    }

    private static string Base64(string text) => Convert.ToBase64String(System.Text.Encoding.ASCII.GetBytes(text));

    private void InPod()
    {
        using var authority = Certificates.Authority("first");
        _folder.Write("token", "secret");
        _folder.Write("ca.crt", authority.ExportCertificatePem());
    }

    private ServiceProvider Services(Dictionary<string, string> environment, string? nodeName, string? host = "192.0.2.1")
    {
        var configuration = ConfigurationLoader.Load(null, new Hashtable(environment), []);
        var account = new ServiceAccount(name => name == "KUBERNETES_SERVICE_HOST" ? host : null, _folder.Path);
        return new ServiceCollection()
            .AddSingleton<IConfiguration>(configuration)
            .AddLogging()
            .AddDiagnostics()
            .AddKubernetes(configuration, name => name == "NODE_NAME" ? nodeName : null, account)
            .BuildServiceProvider();
    }
}
