using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters.Page;

namespace Sockwatch.Exporters;

internal static class ExporterServices
{
    public static IServiceCollection AddExporters(this IServiceCollection services)
    {
        services.AddDiagnostics();
        services.AddOptions<HttpOptions>().BindConfiguration("Http");
        services.TryAddSingleton<ScrapeCost>();
        services.AddSingleton<PrometheusExporter>();
        services.AddPage();
        services.AddSingleton<AgentPages>();
        services.AddSingleton<AgentHttpServer>();
        services.AddHostedService(provider => provider.GetRequiredService<AgentHttpServer>());
        return services;
    }
}
