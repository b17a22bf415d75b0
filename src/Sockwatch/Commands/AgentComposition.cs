using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Sockwatch.Aggregation;
using Sockwatch.Configuration;
using Sockwatch.Enrichment;
using Sockwatch.Exporters;
using Sockwatch.Exporters.Otlp;
using Sockwatch.Kernel;
using Sockwatch.Reader;

namespace Sockwatch.Commands;

/// <summary>The stages of each command, in the order that data moves.</summary>
internal sealed class AgentComposition : IAgentComposition
{
    public IHost Agent(IConfiguration configuration)
    {
        var builder = AgentHost.CreateBuilder(configuration);
        var agent = configuration.Get<AgentOptions>() ?? new AgentOptions();
        var flowLog = configuration.GetSection("FlowLog").Get<FlowLogOptions>() ?? new FlowLogOptions();
        var otlp = configuration.GetSection("Otlp").Get<OtlpOptions>() ?? new OtlpOptions();
        var hasFlowLog = flowLog.Target != "none";
        var hasOtlpFlows = OtlpSettings.IsOn(OtlpSignal.Logs, otlp, configuration) || OtlpSettings.IsOn(OtlpSignal.Traces, otlp, configuration);
        var hasFlows = hasFlowLog || hasOtlpFlows;

        builder.Services
            .AddKernel(new KernelUse(agent.StateDirectory, FlowRecords: hasFlows, UdpPeerChanges: false))
            .AddReader();

        // Exporters of records are started before the reader that fills them, and so stopped after it.
        if (hasFlowLog)
        {
            builder.Services.AddFlowLog();
        }

        if (hasOtlpFlows)
        {
            builder.Services.AddOtlpFlows();
        }

        if (hasFlows)
        {
            builder.Services.AddFlowReader();
        }

        builder.Services
            .AddAggregation()
            .AddEnrichment()
            .AddExporters();
        if (OtlpSettings.IsOn(OtlpSignal.Metrics, otlp, configuration))
        {
            builder.Services.AddOtlpMetrics();
        }

        return builder.Build();
    }

    public IHost Trace(IConfiguration configuration, Func<IFlowNaming, IFlowRecordSink> sink)
    {
        var builder = AgentHost.CreateBuilder(configuration);
        builder.Services
            .AddKernel(new KernelUse(LockDirectory: null, FlowRecords: true, UdpPeerChanges: true))
            .AddReader()
            .AddSingleton(provider => sink(provider.GetRequiredService<IFlowNaming>()))
            .AddFlowReader()
            .AddEnrichment();
        return builder.Build();
    }

    public IHost Top(IConfiguration configuration)
    {
        var builder = AgentHost.CreateBuilder(configuration);
        builder.Services
            .AddKernel(new KernelUse(LockDirectory: null, FlowRecords: false, UdpPeerChanges: false))
            .AddReader()
            .AddAggregation()
            .AddEnrichment();
        return builder.Build();
    }

    public IHookProbe HookProbe() => new KernelHookProbe();

    private sealed class KernelHookProbe : IHookProbe
    {
        public IReadOnlyList<HookProbeResult> Probe()
        {
            KernelPrograms.Require();
            var refused = Kernel.HookProbe.LoadEach(KernelPrograms.MissingTracepoints());
            return
            [
                .. HookProgram.All.Select(hook => new HookProbeResult(
                    hook.Operation,
                    $"{hook.Backend.Name()} {hook.Hook}",
                    !refused.ContainsKey(hook.Program),
                    refused.GetValueOrDefault(hook.Program),
                    refused.ContainsKey(hook.Program) ? $"without it, {hook.Without}; it needs Linux {hook.Since} or later" : null,
                    hook.IsRequired)),
            ];
        }
    }
}
