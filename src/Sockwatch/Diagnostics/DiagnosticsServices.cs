using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Sockwatch.Diagnostics;

internal static class DiagnosticsServices
{
    /// <summary>What every stage reports to. Each stage asks for it; the first one adds it.</summary>
    public static IServiceCollection AddDiagnostics(this IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<LossLedger>();
        services.TryAddSingleton<CacheLedger>();
        services.TryAddSingleton<ApiLedger>();
        services.TryAddSingleton<DnsLedger>();
        services.TryAddSingleton<BackendLedger>();
        services.TryAddSingleton<ExportFailures>();
        services.TryAddSingleton<ControlRefusals>();
        services.TryAddSingleton<HookState>();
        services.TryAddSingleton<ListStatus>();
        services.TryAddSingleton<Health>();
        services.TryAddSingleton(BuildInfo.Current);
        return services;
    }
}
