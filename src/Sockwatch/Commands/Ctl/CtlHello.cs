using System.CommandLine;
using System.Globalization;
using Sockwatch.Configuration;
using Sockwatch.Control;
using Sockwatch.Diagnostics;

namespace Sockwatch.Commands.Ctl;

/// <summary><c>ctl hello</c>: who is there.</summary>
internal static class CtlHello
{
    public static Command Create(CtlConnection connection) => connection.Command(
        "hello", "Who answers, and what it can be asked",
        (_, client, asJson, _) =>
        {
            if (asJson)
            {
                connection.Write(client.Agent, ControlJson.Default.HelloReply);
                return Task.CompletedTask;
            }

            var agent = client.Agent;
            CtlTable.Write(connection.Output, ["agent", "value"],
            [
                ["version", agent.Agent],
                ["protocol", agent.Version.ToString(CultureInfo.InvariantCulture)],
                ["pid", agent.Pid.ToString(CultureInfo.InvariantCulture)],
                ["kernel", agent.Kernel],
                ["up", Quantity.DurationText(TimeSpan.FromSeconds(Math.Floor(agent.UptimeSeconds)))],
                ["offers", string.Join(' ', agent.Requests.Select(name => PrintableText.Of(name, 40)))],
            ]);
            return Task.CompletedTask;
        });
}
