using System.CommandLine;
using System.Globalization;
using Microsoft.Extensions.Configuration;
using Sockwatch.Configuration;
using Sockwatch.Control;
using Sockwatch.Exporters.Trace;

namespace Sockwatch.Commands.Trace;

/// <summary><c>sockwatch trace</c>: records as they happen, one per line; from the running agent when there is one.</summary>
internal static class TraceCommand
{
    private const int QueueLength = 65_536;

    public static Command Create(CommandContext context)
    {
        var config = CommandOptions.Config();
        var logLevel = CommandOptions.For("--log-level", "LEVEL", "trace, debug, info, warn or error (default warn)");
        var btf = CommandOptions.For("--btf", "FILE");
        var filters = new TraceFilterOptions();
        var json = new Option<bool>("--json") { Description = "Print flow-log records as JSON" };
        var count = new Option<long?>("--count")
        {
            Description = "End after this many lines",
            HelpName = "N",
            CustomParser = result =>
            {
                if (long.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var lines) && lines > 0)
                {
                    return lines;
                }

                result.AddError(CommandOptions.Expected("--count", result, "a whole number above 0"));
                return null;
            },
        };
        var duration = CommandOptions.Duration("--for", "End after this time", TimeSpan.FromMilliseconds(1));
        var standalone = CommandOptions.Standalone();
        var payload = new TracePayload();
        var command = new Command("trace", "Print connects, accepts, releases, changes of UDP peers and, if asked to, what is sent, as they happen");
        filters.AddTo(command);
        payload.AddTo(command);
        foreach (var option in (Option[])[json, count, duration, standalone, config, btf, logLevel])
        {
            command.Add(option);
        }

        command.SetAction(async (parsed, stopping) =>
        {
            var configuration = CommandOptions.Load(parsed, context, config, btf, logLevel);
            var order = new TraceOrder(filters.Read(parsed), parsed.GetValue(json), parsed.GetValue(count) ?? long.MaxValue, QueueLength);
            if (order.Choice.WhyNot() is { } wrong)
            {
                throw new ConfigurationException(wrong);
            }

            var wantsPayload = payload.Configure(parsed, configuration, order.Choice);
            using var end = CancellationTokenSource.CreateLinkedTokenSource(stopping);
            if (parsed.GetValue(duration) is { } limit)
            {
                end.CancelAfter(limit);
            }

            // An agent that captures shows what it captures; what it does not, programs of the trace's own have to see.
            return parsed.GetValue(standalone) || wantsPayload
                || await AttachedTrace.TryRunAsync(context, StateDirectory(configuration), order, end.Token).ConfigureAwait(false) is not { } exitCode
                    ? await StandaloneTrace.RunAsync(context, Quiet(configuration), order, parsed.GetValue(duration), stopping).ConfigureAwait(false)
                    : exitCode;
        });
        return command;
    }

    private static string StateDirectory(IConfiguration configuration) =>
        (configuration.Get<AgentOptions>() ?? new AgentOptions()).StateDirectory;

    // Lines of the log between lines of the trace would only confuse.
    private static IConfiguration Quiet(IConfiguration configuration)
    {
        configuration["log:level"] ??= "Warning";
        return configuration;
    }
}
