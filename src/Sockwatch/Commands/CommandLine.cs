using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Options;
using Sockwatch.Commands.Ctl;
using Sockwatch.Commands.Top;
using Sockwatch.Commands.Trace;
using Sockwatch.Configuration;
using Sockwatch.Diagnostics;

namespace Sockwatch.Commands;

/// <summary>From arguments to an exit code: parses, runs one command, and turns what goes wrong into one line.</summary>
internal static class CommandLine
{
    // The contract is 5 s; what is left is for the runtime to go down.
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(4.5);

    /// <summary>Runs the command until it ends or the process is asked to end by Ctrl-C or SIGTERM.</summary>
    public static async Task<int> RunAsync(string[] arguments, CommandContext context)
    {
        using var stopping = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        return await InvokeAsync(arguments, context, stopping.Token).ConfigureAwait(false);

        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = true;
            if (stopping.IsCancellationRequested)
            {
                return;
            }

            // Not a timer on the pool: a pool that is stuck may be the very reason for not ending.
            new Thread(() =>
            {
                Thread.Sleep(StopPatience);
                if (AgentHost.HasEnded)
                {
                    Environment.Exit(ExitCode.Done);
                }

                context.Terminal.Error.WriteLine("sockwatch: did not end in time; leaving");
                Environment.Exit(ExitCode.Failed);
            }) { IsBackground = true }.Start();
            stopping.Cancel();
        }
    }

    internal static async Task<int> InvokeAsync(string[] arguments, CommandContext context, CancellationToken stopping)
    {
        try
        {
            var parsed = Build(context).Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null });
            if (parsed.Errors.Count > 0)
            {
                return Fail(context, ExitCode.Usage, UsageError(parsed));
            }

            return await parsed.InvokeAsync(
                new InvocationConfiguration
                {
                    Output = context.Terminal.Output,
                    Error = context.Terminal.Error,
                    EnableDefaultExceptionHandler = false,
                    ProcessTerminationTimeout = null,
                },
                stopping).ConfigureAwait(false);
        }
        catch (ConfigurationException failure)
        {
            return Fail(context, ExitCode.Usage, failure.Message);
        }
        catch (OptionsValidationException failure)
        {
            return Fail(context, ExitCode.Usage, PrintableText.Of(failure));
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return ExitCode.Done;
        }
        catch (Exception failure) // The last line of defence: no stack trace ever reaches a user.
        {
            return Fail(context, ExitCode.Failed, PrintableText.Of(failure));
        }
    }

    internal static RootCommand Build(CommandContext context)
    {
        var root = new RootCommand("Sockwatch sees every TCP and UDP conversation of this machine, from inside the kernel.")
        {
            RunCommand.Create(context),
            TraceCommand.Create(context),
            TopCommand.Create(context),
            CtlCommand.Create(context),
            DoctorCommand.Create(context),
        };
        foreach (var version in root.Options.OfType<VersionOption>())
        {
            version.Description = "Show the version";
            version.Action = new PrintVersion();
        }

        // Help is one recursive option of the root; the examples depend on the command it is asked for.
        foreach (var help in root.Options.OfType<HelpOption>())
        {
            help.Description = "Show help and examples";
            help.Action = new PrintHelp((SynchronousCommandLineAction)help.Action!);
        }

        return root;
    }

    private static string UsageError(ParseResult parsed)
    {
        var help = $"see sockwatch {CommandName(parsed)}--help";
        if (parsed.UnmatchedTokens.Count > 0)
        {
            var unknown = parsed.UnmatchedTokens[0];
            var command = parsed.CommandResult.Command;
            var known = unknown.StartsWith('-')
                ? command.Options.Where(option => !option.Hidden).Select(option => option.Name)
                : command.Subcommands.Select(subcommand => subcommand.Name);
            var nearest = EditDistance.Nearest(unknown, known);
            var hint = nearest is null ? "" : $"; did you mean {nearest}?";
            return $"unknown {(unknown.StartsWith('-') ? "option" : "argument")} {PrintableText.Of(unknown, 80)}{hint} ({help})";
        }

        if (parsed.CommandResult.Command is RootCommand)
        {
            return $"no command; expected run, trace, top, ctl or doctor ({help})";
        }

        return $"{PrintableText.Of(parsed.Errors[0].Message.TrimEnd('.'), 300)} ({help})";
    }

    private static string CommandName(ParseResult parsed) =>
        string.Concat(Path(parsed.CommandResult).Reverse().Select(name => name + " "));

    private static IEnumerable<string> Path(CommandResult result)
    {
        for (SymbolResult? level = result; level is not null; level = level.Parent)
        {
            if (level is CommandResult { Command: not RootCommand } command)
            {
                yield return command.Command.Name;
            }
        }
    }

    private static int Fail(CommandContext context, int exitCode, string message)
    {
        context.Terminal.Error.WriteLine($"sockwatch: {PrintableText.Of(message, 2_000)}");
        return exitCode;
    }

    private sealed class PrintVersion : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            parseResult.InvocationConfiguration.Output.WriteLine($"sockwatch {BuildInfo.Current.Version}");
            return ExitCode.Done;
        }
    }

    private sealed class PrintHelp(SynchronousCommandLineAction help) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            var result = help.Invoke(parseResult);
            var output = parseResult.InvocationConfiguration.Output;
            output.WriteLine("Examples:");
            foreach (var (example, meaning) in Examples.Of(parseResult.CommandResult.Command.Name))
            {
                output.WriteLine($"  {example,-58} {meaning}");
            }

            output.WriteLine();
            return result;
        }
    }
}
