using Microsoft.Extensions.Configuration;

namespace Sockwatch.Configuration;

/// <summary>What the operator has set, checked, and the way to read it again.</summary>
internal sealed class OperatorSettings(string? file, Func<Dictionary<string, string?>> read) : ConfigurationProvider, IConfigurationSource
{
    /// <summary>Null when everything comes from the environment and the command line.</summary>
    public string? File { get; } = file;

    /// <summary>As it is in force; what <see cref="TakeOver"/> left out is as it was at the start.</summary>
    public IReadOnlyDictionary<string, string?> InForce => (IReadOnlyDictionary<string, string?>)Data;

    public override void Load() => Data = read();

    /// <exception cref="ConfigurationException">Something in it is unknown or not acceptable.</exception>
    public IReadOnlyDictionary<string, string?> ReadAgain() => read();

    /// <summary>Everything under the path, as the given settings have it.</summary>
    public void TakeOver(IReadOnlyDictionary<string, string?> settings, string path)
    {
        var merged = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        foreach (var (key, value) in Data.Where(one => !IsUnder(one.Key, path)).Concat(settings.Where(one => IsUnder(one.Key, path))))
        {
            merged[key] = value;
        }

        Data = merged;
    }

    public static bool IsUnder(string key, string path) =>
        key.Equals(path, StringComparison.OrdinalIgnoreCase) || key.StartsWith(path + ":", StringComparison.OrdinalIgnoreCase);

    IConfigurationProvider IConfigurationSource.Build(IConfigurationBuilder builder) => this;
}
