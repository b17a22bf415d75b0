using Microsoft.Extensions.DependencyInjection;
using Sockwatch.Diagnostics;

namespace Sockwatch.Aggregation;

internal static class AggregationServices
{
    public static IServiceCollection AddAggregation(this IServiceCollection services)
    {
        services.AddDiagnostics();
        services.AddOptions<AggregationOptions>().BindConfiguration("Aggregation");
        services.AddOptions<CollectionOptions>().BindConfiguration("Collection");
        services.AddSingleton<TrafficTable>();
        services.AddSingleton<TrafficCollector>();
        services.AddSingleton<IReportSource>(provider => provider.GetRequiredService<TrafficCollector>());
        services.AddHostedService(provider => provider.GetRequiredService<TrafficCollector>());
        return services;
    }
}
