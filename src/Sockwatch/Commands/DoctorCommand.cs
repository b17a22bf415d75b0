using System.CommandLine;

namespace Sockwatch.Commands;

/// <summary><c>sockwatch doctor</c>: can this machine run the agent, and what to do if not.</summary>
internal static class DoctorCommand
{
    public static Command Create(CommandContext context)
    {
        var json = new Option<bool>("--json") { Description = "Print the result as JSON" };
        var command = new Command("doctor", "Check every requirement, hook by hook; exit code 0 when the agent can run") { json };
        command.SetAction(parsed =>
        {
            var checks = new DoctorChecks(
                context.Paths, context.AgentDirectory, DoctorChecks.LibbpfLoads, () => context.Composition.HookProbe().Probe());
            var report = checks.Run();
            if (parsed.GetValue(json))
            {
                report.WriteJson(context.Terminal.Output);
            }
            else
            {
                var noColour = context.Environment["NO_COLOR"] is string { Length: > 0 };
                report.WriteText(context.Terminal.Output, context.Terminal.IsInteractive && !noColour);
            }

            return report.CanRun ? ExitCode.Done : ExitCode.Failed;
        });
        return command;
    }
}
