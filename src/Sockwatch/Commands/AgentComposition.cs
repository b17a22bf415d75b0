using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Sockwatch.Aggregation;
using Sockwatch.Bpf;
using Sockwatch.Configuration;
using Sockwatch.Control;
using Sockwatch.Enrichment;
using Sockwatch.Enrichment.Kubernetes;
using Sockwatch.Exporters;
using Sockwatch.Exporters.Otlp;
using Sockwatch.Exporters.Trace;
using Sockwatch.Kernel;
using Sockwatch.Payload;
using Sockwatch.Reader;
using Sockwatch.Verdicts;

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
        var control = configuration.GetSection("Control").Get<ControlOptions>() ?? new ControlOptions();
        var hasFlowLog = flowLog.Target != "none";
        var hasOtlpFlows = OtlpSettings.IsOn(OtlpSignal.Logs, otlp, configuration) || OtlpSettings.IsOn(OtlpSignal.Traces, otlp, configuration);
        var payload = configuration.GetSection("Payload").Get<PayloadOptions>() ?? new PayloadOptions();

        // The page shows what went wrong, also where nobody wants the rest.
        var http = configuration.GetSection("Http").Get<HttpOptions>() ?? new HttpOptions();
        var records = hasFlowLog || hasOtlpFlows || payload.IsOn ? WantedRecords.All : http.RecentRecords > 0 ? WantedRecords.Trouble : WantedRecords.None;

        builder.Services
            .AddKernel(new KernelUse(
                agent.StateDirectory, records, Traces: control.Enabled, DnsNames: WantsDns(configuration), payload.Reach(), WantsPids(configuration)))
            .AddVerdicts(configuration)
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

        // Started and stopped like them: a trace sees the last record.
        if (control.Enabled)
        {
            builder.Services.AddControl();
        }

        // Also without anybody who wants records: conversations over UDP have to be ended, and a trace may come at any time.
        builder.Services
            .AddFlowExporters()
            .AddLateNames()
            .AddFlowReader();

        builder.Services
            .AddAggregation()
            .AddEnrichment()
            .AddKubernetes(configuration)
            .AddExporters();
        if (payload.IsOn)
        {
            builder.Services.AddPayload(payload, provider => provider.GetRequiredService<LateNames>());
        }

        if (OtlpSettings.IsOn(OtlpSignal.Metrics, otlp, configuration))
        {
            builder.Services.AddOtlpMetrics();
        }

        builder.Services.AddConfigurationWatch();
        return builder.Build();
    }

    public IHost Trace(IConfiguration configuration, Func<TraceSource, IFlowRecordSink> sink)
    {
        var builder = AgentHost.CreateBuilder(configuration);
        var payload = configuration.GetSection("Payload").Get<PayloadOptions>() ?? new PayloadOptions();
        builder.Services
            .AddKernel(new KernelUse(LockDirectory: null, WantedRecords.All, Traces: true, DnsNames: WantsDns(configuration), payload.Reach()))
            .AddVerdicts(configuration)
            .AddReader()
            .AddTraces()
            .AddSingleton(provider => new Traced(sink(provider.GetRequiredService<TraceSource>())))
            .AddSingleton(provider => provider.GetRequiredService<Traced>().Sink);
        if (payload.IsOn)
        {
            builder.Services
                .AddSingleton<IPayloadList>(provider => provider.GetRequiredService<Traced>().Sink is TraceRun trace
                    ? new TracedPayload(provider.GetRequiredService<PayloadList>(), trace)
                    : provider.GetRequiredService<PayloadList>())
                .AddPayload(payload, provider => provider.GetRequiredService<Traced>().Sink);
        }

        builder.Services
            .AddFlowReader()
            .AddEnrichment()
            .AddKubernetes(configuration);
        return builder.Build();
    }

    public IHost Top(IConfiguration configuration)
    {
        var builder = AgentHost.CreateBuilder(configuration);
        builder.Services
            .AddKernel(new KernelUse(LockDirectory: null, WantedRecords.None, Traces: false, DnsNames: WantsDns(configuration)))
            .AddReader()
            .AddAggregation()
            .AddEnrichment()
            .AddKubernetes(configuration);
        return builder.Build();
    }

    public IHookProbe HookProbe(IConfiguration configuration, KernelOptions options, HostFacts host) =>
        new KernelHookProbe(
            Sizes(configuration, options), (configuration.GetSection("Payload").Get<PayloadOptions>() ?? new PayloadOptions()).Reach(), options, host);

    /// <summary>Where the records of a trace go in the end.</summary>
    private sealed record Traced(IFlowRecordSink Sink);

    private static bool WantsDns(IConfiguration configuration) =>
        (configuration.GetSection("Enrichment").Get<EnrichmentOptions>() ?? new EnrichmentOptions()).DnsNames;

    private static bool WantsPids(IConfiguration configuration) => AttributeSelection.Added(
        configuration.GetSection("Aggregation").Get<AggregationOptions>() ?? new AggregationOptions()).Contains(AttributeSelection.ProcessPid);

    private static MapSizes Sizes(IConfiguration configuration, KernelOptions options)
    {
        var limits = configuration.GetSection("Limits").Get<LimitOptions>() ?? new LimitOptions();
        var payload = configuration.GetSection("Payload").Get<PayloadOptions>() ?? new PayloadOptions();
        var verdicts = configuration.GetSection("Verdicts").Get<VerdictOptions>() ?? new VerdictOptions();
        return new MapSizes(options, limits, WantsDns(configuration), payload.IsOn, VerdictServices.HasLists(verdicts) ? verdicts.MaxAdded : null);
    }

    private sealed class KernelHookProbe(MapSizes sizes, PayloadReach payload, KernelOptions options, HostFacts host) : IHookProbe
    {
        private (HookPlan Chosen, HookPlanner Planner)? _tried;

        // Sizes follow the choice of programs. Where none can be tried, they are those of the best.
        public MapPlan Plan()
        {
            HookPlan plan;
            try
            {
                plan = AsConfigured();
            }
            catch (Exception failure) when (failure is KernelException or BpfException)
            {
                plan = new HookPlan(host.HasKernelTypes ? StateKeeping.Storage : StateKeeping.PlainHash, []);
            }

            return sizes.Plan(plan, host);
        }

        public Refusal? WhyNoCgroupHooks() => Cgroup2.WhyNot(host.Cgroups);

        public IReadOnlyList<HookNeed> Probe()
        {
            var (plan, planner) = Try();
            return [.. plan.Choices.SelectMany(choice => Needs(choice, planner))];
        }

        // All is tried, and what of it is for payload is not in use where that is off.
        private HookPlan AsConfigured()
        {
            var (all, planner) = Try();
            var used = all with { Choices = [.. all.Choices.Where(choice => payload.Sees(choice.Group.Purpose))] };
            var isHashForTheRest = all.Hooks.Any(hook => hook.NeedsHash) && !used.Hooks.Any(hook => hook.NeedsHash);
            return isHashForTheRest ? used with { Keeping = planner.Keepings(used).First() } : used;
        }

        private (HookPlan Chosen, HookPlanner Planner) Try()
        {
            if (_tried is not { } tried)
            {
                var loader = new ProgramLoader(
                    options, new FilterOptions(), WantedRecords.All, canTrace: true, NullLogger.Instance, dnsNames: true, payload: PayloadReach.All);
                _tried = tried = (loader.Probe(), loader.Planner);
            }

            return tried;
        }

        private IEnumerable<HookNeed> Needs(ChosenWay choice, HookPlanner planner)
        {
            var best = choice.Way ?? choice.Group.Ways[0];
            foreach (var operation in best.Required.GroupBy(hook => (hook.Operation, hook.Backend)))
            {
                var candidates = choice.Refused
                    .Select(refused => new HookCandidate(
                        refused.Way.Backend.Name(), Hooks(refused.Way.Required.Where(hook => hook.Operation == operation.Key.Operation)),
                        WithFix(refused.Way.Required.First(), refused.Reason)));
                yield return new HookNeed(operation.Key.Operation, choice.Group.IsRequired, operation.First().Without,
                [
                    .. choice.Way is null ? candidates : candidates.Append(new HookCandidate(operation.Key.Backend.Name(), Hooks(operation))),
                ]);
            }

            foreach (var hook in (choice.Way?.Programs ?? []).Where(hook => !hook.IsRequired && !planner.IsAbsent(hook)))
            {
                yield return new HookNeed(hook.Operation, IsRequired: false, hook.Without,
                    [new HookCandidate(hook.Backend.Name(), hook.Hook, WithFix(hook, planner.Refused.GetValueOrDefault(hook.Program)))]);
            }
        }

        private static string Hooks(IEnumerable<HookProgram> hooks) =>
            string.Join(", ", hooks.Where(hook => !hook.IfPresent).Select(hook => hook.Hook).Distinct());

        private Refusal? WithFix(HookProgram hook, Refusal? refusal) => refusal is null || refusal.Fix is not null
            ? refusal
            : refusal with
            {
                Fix = host.KernelVersion >= Version.Parse(hook.Since)
                    ? "use a kernel that is configured with it, as those of Debian, Ubuntu and Fedora are"
                    : $"use Linux {hook.Since} or newer",
            };
    }
}
