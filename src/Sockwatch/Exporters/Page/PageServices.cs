using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;
using Sockwatch.Reader;

namespace Sockwatch.Exporters.Page;

internal static class PageServices
{
    /// <summary>The page for people. Its recent records are those that somebody else wants: it makes the kernel send none for itself.</summary>
    public static IServiceCollection AddPage(this IServiceCollection services)
    {
        services.TryAddSingleton<HostPaths>();
        services.TryAddSingleton<BootClock>();
        services.TryAddSingleton<FlowLogIdentity>();
        services.AddSingleton<RecentRecords>();
        services.AddSingleton<IFlowExporter>(provider => provider.GetRequiredService<RecentRecords>());
        services.AddSingleton<NamedRecords>();
        services.AddSingleton<LiveTraffic>();
        services.AddSingleton<OwnCost>();
        services.AddSingleton(provider => new PageNode(
            provider.GetRequiredService<Health>(),
            provider.GetRequiredService<ExportFailures>(),
            provider.GetRequiredService<BuildInfo>(),
            provider.GetRequiredService<OwnCost>(),
            provider.GetRequiredService<RecentRecords>(),
            provider.GetRequiredService<NamedRecords>(),
            provider.GetService<IKernelSwitches>()?.FlowRecords ?? WantedRecords.None));
        services.AddSingleton<PageApi>();
        services.AddSingleton<LocalPage>();
        return services;
    }
}
