using System.Collections;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Sockwatch.Aggregation;
using Sockwatch.Commands;
using Sockwatch.Exporters;
using Sockwatch.Kernel;
using Sockwatch.Reader;
using Sockwatch.Tests.Exporters;

namespace Sockwatch.Tests.Commands;

/// <summary>An agent without a kernel: its stages are what a test says.</summary>
internal sealed class FakeComposition : IAgentComposition
{
    public IConfiguration? Configuration { get; private set; }

    /// <summary>Handed to the trace's sink as the host starts.</summary>
    public IReadOnlyList<FlowRecord> Records { get; init; } = [];

    public IReportSource? Reports { get; init; }

    public IHostedService? Stage { get; init; }

    public IReadOnlyList<HookProbeResult> Hooks { get; init; } = [];

    public IHost Agent(IConfiguration configuration) => Build(configuration, _ => { });

    public IHost Trace(IConfiguration configuration, Func<IFlowNaming, IFlowRecordSink> sink) => Build(configuration, services =>
    {
        services.AddSingleton<IFlowNaming>(new FakeNaming());
        services.AddSingleton(provider => sink(provider.GetRequiredService<IFlowNaming>()));
        services.AddHostedService(provider => new RecordSource(Records, provider.GetRequiredService<IFlowRecordSink>()));
    });

    public IHost Top(IConfiguration configuration) => Build(configuration, services => services.AddSingleton(Reports!));

    public IHookProbe HookProbe() => new FakeProbe(Hooks);

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

    private sealed class FakeProbe(IReadOnlyList<HookProbeResult> hooks) : IHookProbe
    {
        public IReadOnlyList<HookProbeResult> Probe() => hooks;
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

/// <summary>Runs a command line as a user would, and keeps what it said.</summary>
internal sealed class CommandRun : IDisposable
{
    private readonly StringWriter _output = new() { NewLine = "\n" };
    private readonly StringWriter _error = new() { NewLine = "\n" };

    public FakeComposition Composition { get; init; } = new();

    public FakeOutput Records { get; init; } = new();

    public Hashtable Environment { get; init; } = [];

    public HostPaths Paths { get; init; } = new();

    public string AgentDirectory { get; init; } = AppContext.BaseDirectory;

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
