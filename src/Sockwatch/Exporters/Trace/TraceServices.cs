using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters.Trace;

internal static class TraceServices
{
    public static IServiceCollection AddTraces(this IServiceCollection services)
    {
        services.TryAddSingleton<HostPaths>();
        services.TryAddSingleton<BootClock>();
        services.TryAddSingleton<FlowLogIdentity>();
        services.TryAddSingleton<TraceSource>();
        return services;
    }
}
