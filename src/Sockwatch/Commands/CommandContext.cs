using System.Collections;
using Sockwatch.Exporters;
using Sockwatch.Kernel;

namespace Sockwatch.Commands;

/// <summary>The world around a command.</summary>
internal sealed class CommandContext
{
    public required IAgentComposition Composition { get; init; }

    public required Terminal Terminal { get; init; }

    public HostPaths Paths { get; init; } = new();

    public IDictionary Environment { get; init; } = System.Environment.GetEnvironmentVariables();

    public TimeProvider Time { get; init; } = TimeProvider.System;

    public string AgentDirectory { get; init; } = Path.GetDirectoryName(KernelPrograms.ObjectPath)!;

    /// <summary>Where records go; apart from the terminal's writer, since a broken pipe must be noticed here.</summary>
    public Func<IFlowLogOutput> RecordOutput { get; init; } = FlowLogOutput.StandardOutput;

    /// <summary>Drops all capabilities but these, by executing the process anew; a test keeps its own.</summary>
    public Action<CapabilitySet> KeepOnly { get; init; } = _ => { };
}
