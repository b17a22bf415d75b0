using System.CommandLine;
using System.Globalization;
using Microsoft.Extensions.Configuration;
using Sockwatch.Configuration;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters.Trace;
using Sockwatch.Payload;

namespace Sockwatch.Commands.Trace;

/// <summary>
/// The options of <c>sockwatch trace</c> that show payload. The filters that choose processes or conversations are the list of who may
/// be captured; there has to be one, or a plain word that everybody is meant.
/// </summary>
internal sealed class TracePayload
{
    private const string Whose = "--pid, --exe, --uid, --container, --namespace, --port or --cidr";

    private readonly Option<string?> _payload = new("--payload")
    {
        Description = $"Print what clients send over TCP, the first 16KiB of each connection or LIMIT; of those that {Whose} choose",
        HelpName = "LIMIT",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<bool> _all = new("--all") { Description = "With --payload and no such choice: everybody's" };

    private readonly Option<string[]> _redact = CommandOptions.Several(
        "--redact", "PATTERN", "With --payload: overwrite what matches with asterisks", SettingCatalogue.Find("payload.redact")!.Rule.Expected,
        text => Redaction.WhyNot(text) is null ? text : null);

    public void AddTo(Command command)
    {
        command.Add(_payload);
        command.Add(_all);
        command.Add(_redact);
    }

    /// <summary>Puts the switches where the settings are.</summary>
    /// <returns>Whether payload is asked for.</returns>
    /// <exception cref="ConfigurationException">They contradict each other, or nobody is named.</exception>
    public bool Configure(ParseResult parsed, IConfiguration configuration, TraceChoice choice)
    {
        var all = parsed.GetValue(_all);
        var redact = parsed.GetValue(_redact) ?? [];
        if (parsed.GetResult(_payload) is null)
        {
            return all || redact.Length > 0
                ? throw new ConfigurationException($"{(all ? "--all" : "--redact")} is about payload; expected --payload with it")
                : false;
        }

        if (parsed.GetValue(_payload) is { } limit)
        {
            var rule = SettingCatalogue.Find("payload.limit")!.Rule;
            configuration["payload:limit"] = rule.Normalise(limit)
                ?? throw new ConfigurationException($"--payload is \"{PrintableText.Of(limit, 80)}\"; expected {rule.Expected}");
        }

        var configured = configuration.GetSection("Payload").Get<PayloadOptions>() ?? new PayloadOptions();
        if (!choice.IsOfSome && !all && !configured.All && !configured.HasList)
        {
            throw new ConfigurationException($"--payload prints what programs send: expected {Whose} to say whose, or --all");
        }

        if (configured.Direction == PayloadDirection.Off)
        {
            configuration["payload:direction"] = "client";
        }

        if (!configured.HasList || all)
        {
            configuration["payload:all"] = "true";
        }

        for (var i = 0; i < redact.Length; i++)
        {
            configuration[string.Create(CultureInfo.InvariantCulture, $"payload:redact:{configured.Redact.Count + i}")] = redact[i];
        }

        return true;
    }
}
