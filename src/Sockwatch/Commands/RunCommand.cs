using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Sockwatch.Commands;

/// <summary><c>sockwatch run</c>: the agent.</summary>
internal static class RunCommand
{
    public static Command Create(CommandContext context)
    {
        var config = CommandOptions.Config();
        Option<string?>[] switches =
        [
            CommandOptions.For("--listen", "ADDR:PORT"),
            CommandOptions.For("--flow-log", "-|FILE|none"),
            CommandOptions.For("--format", "json|text"),
            CommandOptions.For("--otlp-endpoint", "URL"),
            CommandOptions.For("--otlp-protocol", "grpc|http/protobuf"),
            CommandOptions.For("--interval", "DURATION"),
            CommandOptions.For("--backend", "auto|tracepoint|fentry|kprobe"),
            CommandOptions.For("--btf", "FILE"),
            CommandOptions.For("--kubeconfig", "FILE"),
            CommandOptions.For("--log-level", "LEVEL", "trace, debug, info, warn or error"),
        ];
        var command = new Command("run", "Run the agent: metrics, health and flow logs, until it is told to end") { config };
        foreach (var option in switches)
        {
            command.Add(option);
        }

        command.SetAction(async (parsed, stopping) =>
        {
            var configuration = CommandOptions.Load(parsed, context, config, switches);
            context.KeepOnly(AgentPrivileges.Of(configuration, parsed.GetValue(config), context));
            using var host = context.Composition.Agent(configuration);
            await AgentHost.RunAsync(host, stopping).ConfigureAwait(false);
            return ExitCode.Done;
        });
        return command;
    }
}
