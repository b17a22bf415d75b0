using System.CommandLine;
using Microsoft.Extensions.Configuration;
using Sockwatch.Enrichment.Kubernetes;
using Sockwatch.Kernel;
using Sockwatch.Payload;
using Spectre.Console;

namespace Sockwatch.Commands;

/// <summary><c>sockwatch doctor</c>: can this machine run the agent, and what to do if not.</summary>
internal static class DoctorCommand
{
    public static Command Create(CommandContext context)
    {
        var json = new Option<bool>("--json") { Description = "Print the result as JSON; docs/doctor.md describes it" };
        var config = CommandOptions.Config();
        var btf = CommandOptions.For("--btf", "FILE");
        var command = new Command("doctor", "Check every requirement, hook by hook; exit code 0 when the agent can run") { json, config, btf };
        command.SetAction(parsed =>
        {
            var configuration = CommandOptions.Load(parsed, context, config, btf);
            var options = configuration.GetSection("Kernel").Get<KernelOptions>() ?? new KernelOptions();
            var payload = configuration.GetSection("Payload").Get<PayloadOptions>() ?? new PayloadOptions();
            var cluster = configuration.GetSection("Kubernetes").Get<KubernetesOptions>() ?? new KubernetesOptions();
            var host = HostFacts.Read(context.Paths);
            var report = new DoctorChecks(
                host, context.Paths, options.Btf, payload.IsOn, context.AgentDirectory, DoctorChecks.LibbpfVersion,
                context.Composition.HookProbe(configuration, options, host))
            {
                AskConntrack = cluster.ServiceBackends ? AskConntrack : null,
            }.Run();
            if (parsed.GetValue(json))
            {
                DoctorJson.Write(context.Terminal.Output, report);
            }
            else if (context.Terminal.IsInteractive)
            {
                // Spectre honours NO_COLOR by itself.
                DoctorText.Show(AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(context.Terminal.Output) }), report);
            }
            else
            {
                context.Terminal.Output.Write(DoctorText.ToText(report));
            }

            return report.CanRun ? ExitCode.Done : ExitCode.Failed;
        });
        return command;
    }

    // About a conversation that nobody has: what is of interest is whether there is an answer.
    private static int AskConntrack()
    {
        using var conntrack = new Conntrack();
        var nobody = Address16.Parse("192.0.2.1");
        _ = conntrack.Find(new Conversation(TransportProtocol.Tcp, nobody, 1, nobody, 1), out var error);
        return error;
    }
}
