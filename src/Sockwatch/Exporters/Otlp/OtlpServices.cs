using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters.Otlp;

internal static class OtlpServices
{
    public static IServiceCollection AddOtlpMetrics(this IServiceCollection services)
    {
        AddOptions(services);
        services.AddSingleton<OtlpMetrics>();
        services.AddHostedService(provider => provider.GetRequiredService<OtlpMetrics>());
        return services;
    }

    /// <summary>Needs an IFlowNaming.</summary>
    public static IServiceCollection AddOtlpFlows(this IServiceCollection services)
    {
        AddOptions(services);
        services.TryAddSingleton<HostPaths>();
        services.TryAddSingleton<BootClock>();
        services.TryAddSingleton<FlowLogIdentity>();
        services.AddSingleton<OtlpFlows>();
        services.AddSingleton<IFlowExporter>(provider => provider.GetRequiredService<OtlpFlows>());
        services.AddHostedService(provider => provider.GetRequiredService<OtlpFlows>());
        services.AddFlowExporters();
        return services;
    }

    private static void AddOptions(IServiceCollection services)
    {
        services.AddDiagnostics();
        services.TryAddSingleton<StopDeadline>();
        services.AddOptions<OtlpOptions>().BindConfiguration("Otlp");
    }
}
