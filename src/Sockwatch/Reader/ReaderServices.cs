using Microsoft.Extensions.DependencyInjection;
using Sockwatch.Diagnostics;

namespace Sockwatch.Reader;

internal static class ReaderServices
{
    public static IServiceCollection AddReader(this IServiceCollection services)
    {
        services.AddDiagnostics();
        services.AddSingleton<KernelTotals>();
        services.AddSingleton<IDnsMessages, DnsMessages>();
        services.AddSingleton<IKernelTotals>(provider => provider.GetRequiredService<KernelTotals>());
        services.AddSingleton<IProcessLineage, ProcessLineage>();
        services.AddSingleton<FlowReports>();
        services.AddSingleton<IKernelBooks, KernelBooks>();
        return services;
    }

    /// <summary>Needs an <see cref="IFlowRecordSink"/>.</summary>
    public static IServiceCollection AddFlowReader(this IServiceCollection services)
    {
        services.AddOptions<ReaderOptions>().BindConfiguration("Reader");
        services.AddHostedService<RecordReader>();
        return services;
    }
}
