using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Sockwatch.Configuration;
using Sockwatch.Control;

namespace Sockwatch.Commands.Ctl;

/// <summary><c>ctl limit PID</c>, <c>ctl forget PID</c> and <c>ctl reset</c>: which processes are followed, and how far.</summary>
internal static class CtlProcesses
{
    public static Command Limit(CtlConnection connection)
    {
        var pid = Pid();
        var sockets = new Option<uint?>("--sockets")
        {
            Description = "New sockets that are followed from now on",
            HelpName = "N",
            CustomParser = result => Number("--sockets", result, 0, "a whole number"),
        };
        var time = CommandOptions.Duration("--time", "Time that it is followed for from now on", TimeSpan.FromMilliseconds(1));
        return connection.Command(
            "limit", "Follow only so many new sockets of a process, or only for so long; without either, its limits go",
            (parsed, client, asJson, stopping) =>
            {
                var process = parsed.GetValue(pid);
                var limit = new LimitArguments(process, parsed.GetValue(sockets), parsed.GetValue(time)?.TotalSeconds);
                var text = (limit.Sockets, parsed.GetValue(time)) switch
                {
                    (null, null) => "has no limits of its own",
                    ({ } most, null) => $"is followed for {most} new sockets",
                    (null, { } longest) => $"is followed for {Quantity.DurationText(longest)}",
                    ({ } most, { } longest) => $"is followed for {most} new sockets and {Quantity.DurationText(longest)}",
                };
                return connection.TellAsync(
                    client, ControlRequests.Limit, limit, asJson, string.Create(CultureInfo.InvariantCulture, $"process {process} {text}"), stopping);
            },
            pid, sockets, time);
    }

    public static Command Forget(CtlConnection connection)
    {
        var pid = Pid();
        return connection.Command(
            "forget", "Forget a process: its limits, and what it used of them. Its open sockets have records again",
            (parsed, client, asJson, stopping) => connection.TellAsync(
                client, ControlRequests.Forget, new ForgetArguments(parsed.GetValue(pid)), asJson,
                string.Create(CultureInfo.InvariantCulture, $"process {parsed.GetValue(pid)} is forgotten"), stopping),
            pid);
    }

    public static Command Reset(CtlConnection connection) => connection.Command(
        "reset", "Forget every process",
        (_, client, asJson, stopping) => connection.TellAsync(client, ControlRequests.Reset, new NoArguments(), asJson, "all processes are forgotten", stopping));

    private static Argument<uint> Pid() => new("PID")
    {
        Description = "The process id, as the host sees it",
        CustomParser = result => Number("PID", result, 1, "a process id") ?? 0,
    };

    private static uint? Number(string name, ArgumentResult result, uint least, string expected)
    {
        if (uint.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least)
        {
            return number;
        }

        result.AddError(CommandOptions.Expected(name, result, expected));
        return null;
    }
}
