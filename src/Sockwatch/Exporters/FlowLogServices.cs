using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;
using Sockwatch.Payload;
using Sockwatch.Reader;

namespace Sockwatch.Exporters;

internal static class FlowLogServices
{
    private const string StandardOutput = "-";
    private const string Off = "none";

    /// <summary>Needs an <see cref="IFlowNaming"/>. Flow records go to the <see cref="IFlowRecordSink"/> it adds, and so to all exporters.</summary>
    public static IServiceCollection AddFlowLog(this IServiceCollection services)
    {
        services.AddDiagnostics();
        services.TryAddSingleton<StopDeadline>();
        services.AddOptions<FlowLogOptions>().BindConfiguration("FlowLog");
        services.TryAddSingleton<HostPaths>();
        services.TryAddSingleton<BootClock>();
        services.TryAddSingleton<FlowLogIdentity>();
        services.AddSingleton(provider => new FlowLogFile(Open(provider.GetRequiredService<IOptions<FlowLogOptions>>().Value)));
        services.AddSingleton(Create);
        services.AddSingleton<IFlowExporter>(provider => provider.GetRequiredService<FlowLog>());
        services.AddHostedService(provider => provider.GetRequiredService<FlowLog>());
        services.AddHostedService(provider => new ReopenOnHangup(
            provider.GetRequiredService<FlowLogFile>().File,
            provider.GetRequiredService<FlowLog>().Wake,
            provider.GetRequiredService<ILogger<ReopenOnHangup>>()));
        return services.AddFlowExporters();
    }

    /// <summary>Hands flow records to every <see cref="IFlowExporter"/>.</summary>
    public static IServiceCollection AddFlowExporters(this IServiceCollection services)
    {
        services.TryAddSingleton<FlowExporters>();
        services.TryAddSingleton<IFlowRecordSink>(provider => provider.GetRequiredService<FlowExporters>());
        return services;
    }

    /// <summary>Holds records back whose names are on their way. To be added after all exporters and before the reader.</summary>
    public static IServiceCollection AddLateNames(this IServiceCollection services)
    {
        services.AddSingleton<LateNames>();
        services.Replace(ServiceDescriptor.Singleton<IFlowRecordSink>(provider => provider.GetRequiredService<LateNames>()));
        services.AddHostedService(provider => provider.GetRequiredService<LateNames>());
        return services;
    }

    /// <summary>The format in use: automatic is text for a person at a terminal, JSON for anything else.</summary>
    public static FlowLogFormat Resolve(FlowLogOptions options, bool outputIsTerminal) => options.Format != FlowLogFormat.Auto
        ? options.Format
        : options.Target == StandardOutput && outputIsTerminal ? FlowLogFormat.Text : FlowLogFormat.Json;

    private static RotatingFile? Open(FlowLogOptions options) =>
        options.Target is Off or StandardOutput ? null : new RotatingFile(options.Target, options.MaxFileBytes, options.MaxFiles);

    private static FlowLog Create(IServiceProvider provider)
    {
        var options = provider.GetRequiredService<IOptions<FlowLogOptions>>();
        var naming = provider.GetRequiredService<IFlowNaming>();
        var clock = provider.GetRequiredService<BootClock>();
        IFlowLineFormat format = Resolve(options.Value, !Console.IsOutputRedirected) == FlowLogFormat.Text
            ? new FlowLogText(naming, clock, TimeZoneInfo.Local)
            : new FlowLogJson(naming, clock, provider.GetRequiredService<FlowLogIdentity>(), provider.GetService<FlowPayloads>());
        IFlowLogOutput? output = options.Value.Target switch
        {
            Off => null,
            StandardOutput => FlowLogOutput.StandardOutput(),
            _ => provider.GetRequiredService<FlowLogFile>().File,
        };

        var flowLog = new FlowLog(
            format, output, options, provider.GetRequiredService<ILogger<FlowLog>>(),
            provider.GetRequiredService<ExportFailures>(), provider.GetRequiredService<StopDeadline>());
        var losses = provider.GetRequiredService<LossLedger>();
        losses.Follow(LossLedger.FlowLogStage, LossLedger.QueueFull, () => flowLog.QueueFull);
        losses.Follow(LossLedger.FlowLogStage, LossLedger.WriteFailed, () => flowLog.WriteFailed);
        return flowLog;
    }

    /// <summary>The file, for the two who need it; null when records go elsewhere. The flow log closes it.</summary>
    private sealed record FlowLogFile(RotatingFile? File);
}
