using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Sockwatch.Configuration;
using Sockwatch.Control;
using Sockwatch.Diagnostics;
using Microsoft.Extensions.Configuration;

namespace Sockwatch.Commands.Ctl;

/// <summary><c>sockwatch ctl</c>: asks the running agent, and tells it, through its control socket.</summary>
internal static class CtlCommand
{
    public static Command Create(CommandContext context)
    {
        var connection = new CtlConnection(context);
        return new Command("ctl", "Ask the running agent, or change what it does, without a restart")
        {
            CtlHello.Create(connection),
            CtlOptions.Create(connection),
            CtlProcesses.Limit(connection),
            CtlProcesses.Forget(connection),
            CtlProcesses.Reset(connection),
            CtlVerdicts.Create(connection),
            CtlDump.Create(connection),
        };
    }
}

/// <summary>What all sub-commands have in common: where the agent is, and how its answers are shown.</summary>
internal sealed class CtlConnection(CommandContext context)
{
    private readonly Option<string?> _config = CommandOptions.Config();
    private readonly Option<bool> _json = new("--json") { Description = "Print the answer as JSON" };

    public TextWriter Output => context.Terminal.Output;

    public TimeProvider Time => context.Time;

    /// <param name="act">Asks, and shows the answer.</param>
    public Command Command(string name, string description, Func<ParseResult, ControlClient, bool, CancellationToken, Task> act, params Symbol[] symbols)
    {
        var command = new Command(name, description) { _config, _json };
        foreach (var symbol in symbols)
        {
            switch (symbol)
            {
                case Argument argument:
                    command.Add(argument);
                    break;
                case Option option:
                    command.Add(option);
                    break;
            }
        }

        command.SetAction(async (parsed, stopping) =>
        {
            using var client = await ConnectAsync(parsed, stopping).ConfigureAwait(false);
            try
            {
                await act(parsed, client, parsed.GetValue(_json), stopping).ConfigureAwait(false);
            }
            catch (Exception failure) when (failure is ControlException or IOException)
            {
                throw new CommandFailedException(failure.Message, failure);
            }

            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>Asks for one thing of which there is nothing to show but that it was done.</summary>
    public async Task TellAsync<TArguments>(
        ControlClient client, ControlRequest<TArguments, Done> request, TArguments arguments, bool asJson, string done, CancellationToken cancellation)
    {
        var reply = await client.AskAsync(request, arguments, cancellation).ConfigureAwait(false);
        if (asJson)
        {
            Write(reply, ControlJson.Default.Done);
            return;
        }

        Output.WriteLine(done);
        if (reply.Note is { } note)
        {
            Output.WriteLine(PrintableText.Of(note));
        }
    }

    public void Write<T>(T value, JsonTypeInfo<T> type) => Output.WriteLine(JsonSerializer.Serialize(value, type));

    private async Task<ControlClient> ConnectAsync(ParseResult parsed, CancellationToken stopping)
    {
        var configuration = CommandOptions.Load(parsed, context, _config);
        var agent = configuration.Get<AgentOptions>() ?? new AgentOptions();
        try
        {
            return await ControlClient.TryConnectAsync(agent.StateDirectory, stopping).ConfigureAwait(false)
                ?? throw new CommandFailedException(
                    $"no agent answers at {ControlProtocol.SocketPath(agent.StateDirectory)}: start one with 'sockwatch run', or name its configuration with --config");
        }
        catch (ControlException failure)
        {
            throw new CommandFailedException(failure.Message, failure);
        }
    }
}
