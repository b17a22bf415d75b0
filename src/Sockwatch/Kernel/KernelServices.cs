using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Sockwatch.Diagnostics;

namespace Sockwatch.Kernel;

/// <summary>What a command wants of the kernel side.</summary>
/// <param name="LockDirectory">Where to claim the machine, for the one agent that counts; null for a command beside it.</param>
/// <param name="FlowRecords">Records of flows that begin and end.</param>
/// <param name="UdpPeerChanges">A record whenever a UDP socket's peer is not its last one.</param>
internal sealed record KernelUse(string? LockDirectory, bool FlowRecords, bool UdpPeerChanges);

internal static class KernelServices
{
    public static IServiceCollection AddKernel(this IServiceCollection services, KernelUse use)
    {
        services.AddDiagnostics();
        services.AddOptions<KernelOptions>().BindConfiguration("Kernel");
        services.AddOptions<FilterOptions>().BindConfiguration("Filters");
        services.AddOptions<DiagnosticsOptions>().BindConfiguration("Diagnostics");
        if (use.LockDirectory is { } directory)
        {
            services.AddSingleton(_ => AgentLock.Take(directory));
        }

        services.AddSingleton(provider =>
        {
            // Before anything is loaded, so that a second agent leaves no trace.
            _ = provider.GetService<AgentLock>();
            return KernelPrograms.Load(
                provider.GetRequiredService<IOptions<KernelOptions>>().Value,
                provider.GetRequiredService<IOptions<FilterOptions>>().Value,
                use.FlowRecords, use.UdpPeerChanges,
                provider.GetRequiredService<ILogger<KernelPrograms>>());
        });
        services.AddSingleton<ProgramStats>();
        services.AddHostedService<KernelStage>();
        services.AddHostedService(provider => provider.GetRequiredService<ProgramStats>());
        return services;
    }
}
