using Microsoft.Extensions.DependencyInjection;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;

namespace Sockwatch.Enrichment;

internal static class EnrichmentServices
{
    public static IServiceCollection AddEnrichment(this IServiceCollection services)
    {
        services.AddDiagnostics();
        services.AddOptions<EnrichmentOptions>().BindConfiguration("Enrichment");
        services.AddSingleton<NodeAddresses>();
        services.AddSingleton<EdgeNaming>();
        services.AddSingleton<IEdgeNaming>(provider => provider.GetRequiredService<EdgeNaming>());
        services.AddSingleton<IFlowNaming>(provider => provider.GetRequiredService<EdgeNaming>());
        return services;
    }
}
