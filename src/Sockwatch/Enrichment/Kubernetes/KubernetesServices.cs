using k8s;
using k8s.Exceptions;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Sockwatch.Configuration;
using Sockwatch.Diagnostics;
using Sockwatch.Enrichment.Kubernetes.Api;
using Sockwatch.Kernel;
using YamlDotNet.Core;

namespace Sockwatch.Enrichment.Kubernetes;

internal static class KubernetesServices
{
    /// <summary>Adds the names that the cluster knows, if there is a cluster; else nothing at all.</summary>
    public static IServiceCollection AddKubernetes(this IServiceCollection services, IConfiguration configuration) =>
        services.AddKubernetes(configuration, Environment.GetEnvironmentVariable, new ServiceAccount(Environment.GetEnvironmentVariable));

    internal static IServiceCollection AddKubernetes(
        this IServiceCollection services, IConfiguration configuration, Func<string, string?> environment, ServiceAccount account)
    {
        var options = configuration.GetSection("Kubernetes").Get<KubernetesOptions>() ?? new KubernetesOptions();
        if (!IsOn(options, account))
        {
            if (options.Enabled == KubernetesUse.Auto && account.IsInCluster)
            {
                services.AddHostedService<KubernetesAbsence>();
            }

            return services;
        }

        services.AddDiagnostics();
        services.AddOptions<KubernetesOptions>().BindConfiguration("Kubernetes").PostConfigure(bound => bound.NodeName = NodeName(bound, environment));
        if (account.IsInCluster && ToldNodeName(options, environment) is null)
        {
            services.AddHostedService(provider => new GuessedNodeName(NodeName(options, environment), provider.GetRequiredService<ILogger<GuessedNodeName>>()));
        }

        services.TryAddSingleton(ApiPatience.Usual);
        services.AddSingleton(provider => new ApiConnection(Access(options, account), $"sockwatch/{provider.GetRequiredService<BuildInfo>().Version}"));
        services.AddSingleton<KubernetesNames>();
        services.AddSingleton<ILocalPods>(provider => provider.GetRequiredService<KubernetesNames>().Pods);
        if (options.Scope != KubernetesScope.Off)
        {
            services.AddSingleton<IRemotePeers>(provider => provider.GetRequiredService<KubernetesNames>().Addresses);
            if (options.ServiceBackends)
            {
                services.AddSingleton<IConntrack, Conntrack>();
                services.AddSingleton<IServiceBackends, ServiceBackends>();
            }
        }

        services.AddHostedService(provider => provider.GetRequiredService<KubernetesNames>());
        return services;
    }

    /// <summary>The kubeconfig and what it names are read again whenever a request failed, as the files of a pod are.</summary>
    private static Func<KubernetesClientConfiguration> Access(KubernetesOptions options, ServiceAccount account) =>
        options.Kubeconfig.Length > 0 ? () => KubernetesClientConfiguration.BuildConfigFromConfigFile(options.Kubeconfig) : account.Load;

    // What cannot be mended by waiting is said at once.
    private static bool IsOn(KubernetesOptions options, ServiceAccount account)
    {
        if (options.Enabled == KubernetesUse.Off || (options.Enabled == KubernetesUse.Auto && options.Kubeconfig.Length == 0 && !account.IsThere))
        {
            return false;
        }

        try
        {
            _ = Access(options, account)();
        }
        catch (Exception failure) when (failure is KubeConfigException or YamlException or IOException or UnauthorizedAccessException
            or FormatException or ArgumentException or System.Security.Cryptography.CryptographicException or NullReferenceException)
        {
            var key = options.Kubeconfig.Length > 0 ? $"kubernetes.kubeconfig is \"{PrintableText.Of(options.Kubeconfig)}\"" : "kubernetes.enabled is \"on\"";
            throw new ConfigurationException($"{key}, but {PrintableText.Of(Reason(failure))}; expected a kubeconfig, or a pod with a service account's token");
        }

        return true;
    }

    private static string Reason(Exception failure) => failure switch
    {
        FileNotFoundException or DirectoryNotFoundException => "there is no such file",
        YamlException => $"it is no YAML: {failure.Message}",
        NullReferenceException => "it lacks clusters, contexts or users",
        _ => failure.Message,
    };

    // The kubelet alone knows for sure; outside of a pod, a node's name is its host's.
    private static string NodeName(KubernetesOptions options, Func<string, string?> environment) =>
        ToldNodeName(options, environment) ?? Environment.MachineName.ToLowerInvariant();

    private static string? ToldNodeName(KubernetesOptions options, Func<string, string?> environment) =>
        options.NodeName.Length > 0 ? options.NodeName
        : environment("NODE_NAME") is { Length: > 0 } name ? name
        : environment("K8S_NODE_NAME") is { Length: > 0 } other ? other
        : null;
}
