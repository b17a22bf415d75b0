using Microsoft.Extensions.Logging;
using Sockwatch.Configuration;
using Sockwatch.Diagnostics;

namespace Sockwatch.Control.Features;

/// <summary><c>options</c>: shows the settings that can be changed while the agent runs, and changes some, all or none of them.</summary>
internal sealed partial class OptionsControl : IControlFeature
{
    private readonly Lock _changing = new();
    private readonly SortedDictionary<string, RunTimeOption> _options;
    private readonly ILogger<OptionsControl> _logger;

    public OptionsControl(IEnumerable<RunTimeOption> options, ILogger<OptionsControl> logger)
    {
        _options = new SortedDictionary<string, RunTimeOption>(options.ToDictionary(option => option.Key), StringComparer.OrdinalIgnoreCase);
        _logger = logger;
    }

    public void Register(ControlHandlers handlers) => handlers.On(ControlRequests.Options, (arguments, peer, _) =>
    {
        lock (_changing)
        {
            var changes = arguments.Set.Select(Accept).ToArray();
            foreach (var (option, value) in changes)
            {
                var before = option.Read();
                option.Write(value);
                if (option.Read() != before)
                {
                    Log.Changed(_logger, option.Key, before, option.Read(), peer.Pid);
                }
            }

            return ValueTask.FromResult(new OptionsReply(
                [.. _options.Values.Select(option => new OptionState(option.Key, option.Read(), option.Setting.Rule.Expected, option.IsChanged))]));
        }
    });

    private (RunTimeOption Option, string Value) Accept(OptionValue change)
    {
        if (!_options.TryGetValue(change.Key, out var option))
        {
            var key = PrintableText.Of(change.Key, 80);
            throw new ControlException(ControlErrors.BadArgument, SettingCatalogue.Find(change.Key) is null
                ? $"unknown key {key}; did you mean {EditDistance.Nearest(change.Key, _options.Keys) ?? SettingCatalogue.Nearest(change.Key)}?"
                : $"{key} cannot be changed while the agent runs; set it in the configuration and restart");
        }

        var value = option.Setting.Rule.Normalise(change.Value)
            ?? throw new ControlException(
                ControlErrors.BadArgument, $"{option.Key} is \"{PrintableText.Of(change.Value, 80)}\"; expected {option.Setting.Rule.Expected}");
        return option.WhyNot?.Invoke(value) is { } reason
            ? throw new ControlException(ControlErrors.BadArgument, $"{option.Key} is \"{PrintableText.Of(change.Value, 80)}\"; {reason}")
            : (option, value);
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "{Option} is {Value} now, was {Before} (changed by process {Pid})")]
        public static partial void Changed(ILogger logger, string option, string before, string value, int pid);
    }
}
