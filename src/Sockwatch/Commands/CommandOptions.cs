using System.CommandLine;
using System.CommandLine.Parsing;
using Microsoft.Extensions.Configuration;
using Sockwatch.Configuration;

namespace Sockwatch.Commands;

/// <summary>Options that several commands have, and values that are checked as they are parsed.</summary>
internal static class CommandOptions
{
    public static Option<string?> Config() => new("--config")
    {
        Description = "A configuration file, YAML or JSON",
        HelpName = "FILE",
    };

    /// <summary>For what is asked of a running agent when there is one.</summary>
    public static Option<bool> Standalone() => new("--standalone")
    {
        Description = "With programs of its own, although an agent may be running",
    };

    /// <summary>A switch for a key of the configuration, which also describes and checks it.</summary>
    public static Option<string?> For(string name, string helpName, string? description = null) => new(name)
    {
        Description = description ?? SettingCatalogue.BySwitch(name).Summary,
        HelpName = helpName,
    };

    /// <summary>A duration that is no setting.</summary>
    public static Option<TimeSpan?> Duration(string name, string description, TimeSpan least) => new(name)
    {
        Description = description,
        HelpName = "DURATION",
        CustomParser = result =>
        {
            if (Quantity.TryParseDuration(result.Tokens[0].Value, out var duration) && duration >= least)
            {
                return duration;
            }

            result.AddError(Expected(name, result, $"a duration of at least {Quantity.DurationText(least)}, such as 10s or 1m30s"));
            return null;
        },
    };

    /// <summary>An option that may be given several times; <paramref name="parse"/> gives null for what it refuses.</summary>
    public static Option<T[]> Several<T>(string name, string helpName, string description, string expected, Func<string, T?> parse)
        where T : class => new(name)
        {
            Description = description + "; may be repeated",
            HelpName = helpName,
            Arity = ArgumentArity.OneOrMore,
            DefaultValueFactory = _ => [],
            CustomParser = result =>
            {
                var values = new List<T>();
                foreach (var token in result.Tokens)
                {
                    if (parse(token.Value) is { } value)
                    {
                        values.Add(value);
                    }
                    else
                    {
                        result.AddError($"{name} is \"{token.Value}\"; expected {expected}");
                    }
                }

                return [.. values];
            },
        };

    /// <summary>The configuration of a command: the file it names, the environment, and its switches.</summary>
    public static IConfigurationRoot Load(ParseResult parsed, CommandContext context, Option<string?> config, params Option<string?>[] switches) =>
        ConfigurationLoader.Load(
            parsed.GetValue(config),
            context.Environment,
            switches
                .Select(option => (option.Name, Value: parsed.GetValue(option)))
                .Where(given => given.Value is not null)
                .Select(given => new SwitchValue(given.Name, given.Value!)));

    public static string Expected(string name, ArgumentResult result, string expected) =>
        $"{name} is \"{result.Tokens[0].Value}\"; expected {expected}";
}
