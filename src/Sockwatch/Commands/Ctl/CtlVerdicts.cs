using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Sockwatch.Configuration;
using Sockwatch.Control;
using Sockwatch.Exporters.Trace;

namespace Sockwatch.Commands.Ctl;

/// <summary><c>ctl verdict add</c>, <c>remove</c> and <c>list</c>: what is said about remote addresses.</summary>
internal static class CtlVerdicts
{
    public static Command Create(CtlConnection connection) => new("verdict", "Entries of the list of remote addresses that are told apart")
    {
        Add(connection),
        Remove(connection),
        List(connection),
    };

    private static Command Add(CtlConnection connection)
    {
        var network = Network();
        var verdict = new Argument<string>("VERDICT") { Description = "allow or detect" };
        verdict.AcceptOnlyFromAmong("allow", "detect");
        var classification = new Option<uint>("--classification")
        {
            Description = "A number for whoever reads the detection (default 0)",
            HelpName = "N",
            CustomParser = result =>
            {
                if (uint.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
                {
                    return number;
                }

                result.AddError(CommandOptions.Expected("--classification", result, "a whole number"));
                return 0;
            },
        };
        var name = new Option<string>("--name") { Description = "What the detection is called", HelpName = "NAME", DefaultValueFactory = _ => "" };
        var ttl = CommandOptions.Duration("--ttl", "How long it lasts (default: the time of its kind)", TimeSpan.FromSeconds(1));
        return connection.Command(
            "add", "Add an entry, or change the one of the same network",
            (parsed, client, asJson, stopping) =>
            {
                var entry = new VerdictEntry(
                    parsed.GetValue(network)!, parsed.GetValue(verdict)!, parsed.GetValue(classification), parsed.GetValue(name)!,
                    parsed.GetValue(ttl)?.TotalSeconds);
                return connection.TellAsync(client, ControlRequests.VerdictAdd, entry, asJson, $"{entry.Network}: {entry.Verdict}", stopping);
            },
            network, verdict, classification, name, ttl);
    }

    private static Command Remove(CtlConnection connection)
    {
        var network = Network();
        return connection.Command(
            "remove", "Remove the entry of a network that was added",
            (parsed, client, asJson, stopping) => connection.TellAsync(
                client, ControlRequests.VerdictRemove, new VerdictRemoveArguments(parsed.GetValue(network)!), asJson,
                $"{parsed.GetValue(network)} is removed", stopping),
            network);
    }

    private static Command List(CtlConnection connection) => connection.Command(
        "list", "Show the entries that were added", async (_, client, asJson, stopping) =>
        {
            var entries = new Entries(asJson ? connection.Output : null);
            await client.ReadAsync(ControlRequests.VerdictList, new NoArguments(), entries, stopping, CancellationToken.None).ConfigureAwait(false);
            if (!asJson)
            {
                CtlTable.Write(connection.Output, ["network", "verdict", "classification", "name", "time left"],
                [
                    .. entries.Rows.Select(entry => (string[])
                    [
                        entry.Network, entry.Verdict, entry.Classification.ToString(CultureInfo.InvariantCulture), entry.Name,
                        entry.Seconds is { } seconds ? Quantity.DurationText(TimeSpan.FromSeconds(Math.Ceiling(seconds))) : "",
                    ]),
                ]);
            }
        });

    private static Argument<string> Network() => new("NETWORK")
    {
        Description = "An address, or a network such as 10.0.0.0/8 or fd00::/8",
        CustomParser = result =>
        {
            var text = result.Tokens[0].Value;
            if (TraceValues.Network(text) is not null)
            {
                return text;
            }

            result.AddError(CommandOptions.Expected("NETWORK", result, "an address, or a network such as 10.0.0.0/8 or fd00::/8"));
            return null;
        },
    };

    /// <summary>As JSON, one line an entry as it comes: a list may be a million long.</summary>
    private sealed class Entries(TextWriter? lines) : ItemReader<VerdictEntry>
    {
        public List<VerdictEntry> Rows { get; } = [];

        public override void OnItem(VerdictEntry item)
        {
            if (lines is null)
            {
                Rows.Add(item);
            }
            else
            {
                lines.WriteLine(JsonSerializer.Serialize(item, ControlJson.Default.VerdictEntry));
            }
        }
    }
}
