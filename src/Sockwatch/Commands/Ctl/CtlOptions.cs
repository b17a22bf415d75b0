using System.CommandLine;
using Sockwatch.Configuration;
using Sockwatch.Control;

namespace Sockwatch.Commands.Ctl;

/// <summary><c>ctl options [KEY=VALUE …]</c>: settings that can be changed while the agent runs.</summary>
internal static class CtlOptions
{
    public static Command Create(CtlConnection connection)
    {
        var changes = new Argument<string[]>("KEY=VALUE")
        {
            Description = "What to change, such as log.level=debug; all or nothing. Without any, all are shown",
            Arity = ArgumentArity.ZeroOrMore,
        };
        changes.Validators.Add(result =>
        {
            foreach (var token in result.Tokens.Where(token => token.Value.IndexOf('=', StringComparison.Ordinal) <= 0))
            {
                result.AddError($"\"{token.Value}\" is no change; expected KEY=VALUE, such as log.level=debug");
            }
        });
        return connection.Command(
            "options", "Show the settings that can be changed while the agent runs, or change some", async (parsed, client, asJson, stopping) =>
            {
                var arguments = new OptionsArguments([.. (parsed.GetValue(changes) ?? []).Select(Split)]);
                var reply = await client.AskAsync(ControlRequests.Options, arguments, stopping).ConfigureAwait(false);
                if (asJson)
                {
                    connection.Write(reply, ControlJson.Default.OptionsReply);
                    return;
                }

                CtlTable.Write(connection.Output, ["key", "value", "", "accepts"],
                    [.. reply.Options.Select(option => (string[])[option.Key, option.Value, option.IsChanged ? "changed" : "", option.Expected])]);
            },
            changes);
    }

    private static OptionValue Split(string change)
    {
        var equals = change.IndexOf('=', StringComparison.Ordinal);
        return new OptionValue(change[..equals], change[(equals + 1)..]);
    }
}
