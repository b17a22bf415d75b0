using Microsoft.Extensions.DependencyInjection;
using Sockwatch.Control.Dump;
using Sockwatch.Control.Features;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters;
using Sockwatch.Exporters.Trace;

namespace Sockwatch.Control;

internal static class ControlServices
{
    /// <summary>The control socket; what it offers are the <see cref="IControlFeature"/>s.</summary>
    public static IServiceCollection AddControl(this IServiceCollection services)
    {
        services.AddDiagnostics();
        services.AddOptions<ControlOptions>().BindConfiguration("Control");
        services.AddSingleton<ControlUse>();
        services.AddSingleton<ControlHandlers>();
        services.AddSingleton<IControlFeature, HelloControl>();
        services.AddTraces();
        services.AddSingleton<IControlFeature, OptionsControl>();
        services.AddSingleton<IControlFeature, ProcessControl>();
        services.AddSingleton<IControlFeature, VerdictControl>();
        services.AddSingleton<TraceControl>();
        services.AddSingleton<IControlFeature>(provider => provider.GetRequiredService<TraceControl>());
        services.AddSingleton<IFlowExporter>(provider => provider.GetRequiredService<TraceControl>());
        services.AddSingleton<IControlFeature, TopControl>();
        services.AddSingleton<IControlFeature, DumpControl>();
        services.AddSingleton<IDumpSection, ProcessDump>();
        services.AddSingleton<IDumpSection, SocketDump>();
        services.AddSingleton<IDumpSection, MapDump>();
        services.AddSingleton<IDumpSection, LimitDump>();
        services.AddSingleton<IDumpSection, ProcessLimitDump>();
        services.AddSingleton<IDumpSection, ListDump>();
        services.AddSingleton<IDumpSection, LossDump>();
        services.AddSingleton<IDumpSection, HookDump>();
        services.AddSingleton<IDumpSection, ProgramDump>();
        services.AddSingleton<IDumpSection, OptionDump>();
        services.AddSingleton<ControlServer>();
        services.AddHostedService(provider => provider.GetRequiredService<ControlServer>());
        return services;
    }
}
