namespace Sockwatch.Configuration;

/// <summary>
/// A setting that can be changed while the agent runs. Whoever it belongs to adds one to the container:
/// <c>services.AddSingleton(provider => new RunTimeOption(…))</c>.
/// </summary>
/// <param name="Key">Of the <see cref="SettingCatalogue"/>, which has the rule for its values.</param>
/// <param name="Read">The value in force, as an operator would write it.</param>
/// <param name="Write">Puts a value into force that the rule has accepted, as the rule writes it; on any thread, one at a time.</param>
internal sealed record RunTimeOption(string Key, Func<string> Read, Action<string> Write)
{
    private readonly string _atStart = Read();

    public Setting Setting { get; } = SettingCatalogue.Find(Key) ?? throw new ArgumentException($"There is no setting {Key}.", nameof(Key));

    /// <summary>Why a value that the rule accepts cannot be put into force in this agent; null when it can.</summary>
    public Func<string, string?>? WhyNot { get; init; }

    public bool IsChanged => Read() != _atStart;
}
