using Microsoft.Extensions.DependencyInjection;
using Sockwatch.Diagnostics;

namespace Sockwatch.Exporters;

internal static class ExporterServices
{
    public static IServiceCollection AddExporters(this IServiceCollection services)
    {
        services.AddDiagnostics();
        services.AddOptions<HttpOptions>().BindConfiguration("Http");
        services.AddSingleton<PrometheusExporter>();
        services.AddSingleton<AgentPages>();
        services.AddSingleton<AgentHttpServer>();
        services.AddHostedService(provider => provider.GetRequiredService<AgentHttpServer>());
        return services;
    }
}
