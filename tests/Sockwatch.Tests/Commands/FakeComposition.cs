using System.Collections;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Sockwatch.Aggregation;
using Sockwatch.Commands;
using Sockwatch.Exporters;
using Sockwatch.Exporters.Trace;
using Sockwatch.Kernel;
using Sockwatch.Reader;
using Sockwatch.Tests.Exporters;
using Sockwatch.Tests.Fakes;

namespace Sockwatch.Tests.Commands;

/// <summary>An agent without a kernel: its stages are what a test says.</summary>
internal sealed class FakeComposition : IAgentComposition
{
    public IConfiguration? Configuration { get; private set; }

    /// <summary>Handed to the trace's sink as the host starts.</summary>
    public IReadOnlyList<FlowRecord> Records { get; init; } = [];

    public FakeSwitches Switches { get; } = new();

    public IReportSource? Reports { get; init; }

    public IHostedService? Stage { get; init; }

    public IReadOnlyList<HookNeed> Hooks { get; init; } = [];

    public IHost Agent(IConfiguration configuration) => Build(configuration, _ => { });

    public IHost Trace(IConfiguration configuration, Func<TraceSource, IFlowRecordSink> sink) => Build(configuration, services =>
    {
        services.AddSingleton(sink(Some.TraceSource(Switches)));
        services.AddHostedService(provider => new RecordSource(Records, provider.GetRequiredService<IFlowRecordSink>()));
    });

    public IHost Top(IConfiguration configuration) => Build(configuration, services => services.AddSingleton(Reports!));

    public KernelOptions? Probed { get; private set; }

    public IHookProbe HookProbe(IConfiguration configuration, KernelOptions options, HostFacts host)
    {
        Probed = options;
        return new FakeProbe(() => Hooks);
    }

    private IHost Build(IConfiguration configuration, Action<IServiceCollection> add)
    {
        Configuration = configuration;
        var builder = AgentHost.CreateBuilder(configuration);
        add(builder.Services);
        if (Stage is not null)
        {
            builder.Services.AddSingleton(Stage);
        }

        return builder.Build();
    }

    private sealed class RecordSource(IReadOnlyList<FlowRecord> records, IFlowRecordSink sink) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            foreach (var record in records)
            {
                sink.OnRecord(in record);
            }

            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}

internal sealed class FakeProbe(Func<IReadOnlyList<HookNeed>> probe) : IHookProbe
{
    public MapPlan Maps { get; init; } = new([new PlannedMap("flow_records", 8_000_000, 8_000_000), new PlannedMap("edges", 1_000_000, 20_000_000)], 512);

    public Refusal? NoCgroupHooks { get; init; }

    public MapPlan Plan() => Maps;

    public Refusal? WhyNoCgroupHooks() => NoCgroupHooks;

    public IReadOnlyList<HookNeed> Probe() => probe();
}

/// <summary>Runs a command line as a user would, and keeps what it said.</summary>
internal sealed class CommandRun : IDisposable
{
    private readonly StringWriter _output = new() { NewLine = "\n" };
    private readonly StringWriter _error = new() { NewLine = "\n" };

    public FakeComposition Composition { get; init; } = new();

    public FakeOutput Records { get; init; } = new();

    /// <summary>An agent that happens to run on this machine is none of the test's, unless the test names one.</summary>
    public Hashtable Environment { get; init; } = new() { ["SOCKWATCH__STATEDIRECTORY"] = "/nonexistent/sockwatch" };

    public HostPaths Paths { get; init; } = new();

    public string AgentDirectory { get; init; } = AppContext.BaseDirectory;

    public Action<CapabilitySet> KeepOnly { get; init; } = _ => { };

    public CancellationTokenSource Stopping { get; } = new();

    public string Output => _output.ToString();

    public string Error => _error.ToString();

    public Task<int> InvokeAsync(params string[] arguments) => CommandLine.InvokeAsync(
        arguments,
        new CommandContext
        {
            Composition = Composition,
            Terminal = new Terminal { Output = _output, Error = _error },
            Environment = Environment,
            Paths = Paths,
            AgentDirectory = AgentDirectory,
            RecordOutput = () => Records,
            KeepOnly = KeepOnly,
        },
        Stopping.Token).WaitAsync(TimeSpan.FromSeconds(20));

    public void Dispose()
    {
        Stopping.Dispose();
        Records.Dispose();
        _output.Dispose();
        _error.Dispose();
    }
}
