using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Sockwatch.Diagnostics;

namespace Sockwatch.Kernel;

/// <summary>What a command wants of the kernel side.</summary>
/// <param name="LockDirectory">Where to claim the machine, for the one agent that counts; null for a command beside it.</param>
/// <param name="FlowRecords">Records of flows, whether anybody traces or not.</param>
/// <param name="Traces">Whether <see cref="IKernelSwitches.BeginTrace"/> may be asked for; costs each datagram a look at a variable.</param>
/// <param name="DnsNames">A copy of DNS questions and answers.</param>
/// <param name="Payload">What of payload is to be captured; null for nothing.</param>
/// <param name="ByProcess">Whether edges are told apart by process.</param>
internal sealed record KernelUse(
    string? LockDirectory, WantedRecords FlowRecords, bool Traces, bool DnsNames, PayloadReach? Payload = null, bool ByProcess = false);

internal static class KernelServices
{
    public static IServiceCollection AddKernel(this IServiceCollection services, KernelUse use)
    {
        services.AddDiagnostics();
        services.AddSingleton(use);
        services.AddOptions<KernelOptions>().BindConfiguration("Kernel");
        services.AddOptions<FilterOptions>().BindConfiguration("Filters");
        services.AddOptions<LimitOptions>().BindConfiguration("Limits");
        services.AddOptions<DiagnosticsOptions>().BindConfiguration("Diagnostics");
        if (use.LockDirectory is { } directory)
        {
            services.AddSingleton(_ => AgentLock.Take(directory));
        }

        services.AddSingleton(provider =>
        {
            // Before anything is loaded, so that a second agent leaves no trace.
            _ = provider.GetService<AgentLock>();
            return new ProgramLoader(
                provider.GetRequiredService<IOptions<KernelOptions>>().Value,
                provider.GetRequiredService<IOptions<FilterOptions>>().Value,
                use.FlowRecords, use.Traces,
                provider.GetRequiredService<ILogger<KernelPrograms>>(),
                dnsNames: use.DnsNames, payload: use.Payload)
            {
                Limits = provider.GetRequiredService<IOptions<LimitOptions>>().Value,
                ByProcess = use.ByProcess,
                Lists = provider.GetService<IKernelLists>(),
            };
        });
        services.AddSingleton(provider => provider.GetRequiredService<ProgramLoader>().Start());
        services.AddSingleton<IKernelSwitches>(provider => new KernelSwitches(provider.GetRequiredService<KernelPrograms>(), use));
        services.AddSingleton(provider => FilterOptions.RunTime(
            "filters.ignoreLoopback", provider.GetRequiredService<IKernelSwitches>(), kernel => kernel.IgnoreLoopback, (kernel, on) => kernel.IgnoreLoopback = on));
        services.AddSingleton(provider => FilterOptions.RunTime(
            "filters.ignoreIpv6", provider.GetRequiredService<IKernelSwitches>(), kernel => kernel.IgnoreIpv6, (kernel, on) => kernel.IgnoreIpv6 = on));
        services.TryAddSingleton<HostPaths>();
        services.AddSingleton<ProcessLimits>();
        services.AddSingleton<IProcessLimits>(provider => provider.GetRequiredService<ProcessLimits>());
        services.AddSingleton<ProgramStats>();
        services.AddHostedService<KernelStage>();
        services.AddHostedService(provider => provider.GetRequiredService<ProgramStats>());
        services.AddHostedService<HookWatch>();
        return services;
    }
}
