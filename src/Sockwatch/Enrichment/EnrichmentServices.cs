using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using Sockwatch.Aggregation;
using Sockwatch.Configuration;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;
using Sockwatch.Reader;
using Sockwatch.Verdicts;

namespace Sockwatch.Enrichment;

internal static class EnrichmentServices
{
    public static IServiceCollection AddEnrichment(this IServiceCollection services)
    {
        services.AddDiagnostics();
        services.AddOptions<EnrichmentOptions>().BindConfiguration("Enrichment");
        services.TryAddSingleton<BootClock>();
        services.AddSingleton<NodeAddresses>();
        services.AddSingleton(provider => new NetworkNames(new NetworkTable(Options(provider).Networks)));
        services.AddSingleton<IReloadable, NetworkReload>();
        services.AddSingleton<IReverseResolver, HostResolver>();
        services.AddSingleton(provider => new ReverseNames(
            provider.GetRequiredService<IReverseResolver>(), provider.GetRequiredService<CacheLedger>(), provider.GetRequiredService<TimeProvider>(),
            Options(provider).MaxDnsNames));
        services.AddSingleton(Naming);
        services.AddSingleton<IEdgeNaming>(provider => provider.GetRequiredService<EdgeNaming>());
        services.AddSingleton<IFlowNaming>(provider => provider.GetRequiredService<EdgeNaming>());
        services.AddSingleton<IOwners>(provider => provider.GetRequiredService<EdgeNaming>());
        services.AddHostedService<NameKeeper>();
        return services;
    }

    // Who is in the cluster is known where a later stage has added somebody to ask.
    private static EdgeNaming Naming(IServiceProvider provider)
    {
        var options = Options(provider);
        var sources = new NamingSources(
            provider.GetRequiredService<IKernelTotals>(),
            CgroupPresence.OfThisMachine(),
            provider.GetRequiredService<BootClock>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<LossLedger>(),
            provider.GetRequiredService<CacheLedger>(),
            provider.GetRequiredService<DnsLedger>())
        {
            Pods = provider.GetService<ILocalPods>(),
            Cluster = provider.GetService<IRemotePeers>(),
            Backends = provider.GetService<IServiceBackends>(),
            DnsMessages = options.DnsNames ? provider.GetRequiredService<IDnsMessages>() : null,
            Lists = provider.GetService<KernelLists>(),
            Detections = provider.GetService<Detections>(),
            Reverse = options.ReverseDns ? provider.GetRequiredService<ReverseNames>() : null,
        };
        return new EdgeNaming(
            sources, provider.GetRequiredService<NodeAddresses>(), provider.GetRequiredService<NetworkNames>(), options, NamingLimits.Default);
    }

    private static EnrichmentOptions Options(IServiceProvider provider) => provider.GetRequiredService<IOptions<EnrichmentOptions>>().Value;
}
