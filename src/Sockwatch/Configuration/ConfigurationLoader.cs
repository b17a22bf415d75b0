using System.Collections;
using System.Globalization;
using Microsoft.Extensions.Configuration;
using Sockwatch.Diagnostics;

namespace Sockwatch.Configuration;

/// <summary>A switch given on the command line that sets a key.</summary>
internal sealed record SwitchValue(string Switch, string Value);

/// <summary>
/// Merges the file, the environment and the switches, in rising precedence, into checked configuration. A list is
/// replaced as a whole; a name of a map by itself.
/// </summary>
internal sealed class ConfigurationLoader
{
    private static readonly string[] s_payloadLists = ["payload:processes:", "payload:ports:", "payload:namespaces:"];

    private readonly Dictionary<string, string?> _values = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Keys and values as the options classes bind them.</summary>
    /// <exception cref="ConfigurationException">Something in it is unknown or not acceptable.</exception>
    public static IConfigurationRoot Load(string? file, IDictionary environment, IEnumerable<SwitchValue> switches)
    {
        var given = switches.ToList();
        return new ConfigurationBuilder().Add(new OperatorSettings(file, () => Read(file, environment, given))).Build();
    }

    private static Dictionary<string, string?> Read(string? file, IDictionary environment, IEnumerable<SwitchValue> switches)
    {
        var loader = new ConfigurationLoader();
        loader.AddStandardVariables(environment);
        if (file is not null)
        {
            loader.AddFile(file);
        }

        loader.AddEnvironment(environment);
        foreach (var (name, value) in switches)
        {
            loader.Set(SettingCatalogue.BySwitch(name), null, [value], "", name);
        }

        loader.CheckTogether();
        if (StandardVariables.Disabled(environment))
        {
            loader._values[StandardVariables.DisabledKey] = "true";
        }

        return loader._values;
    }

    private void AddStandardVariables(IDictionary environment)
    {
        foreach (var variable in StandardVariables.All)
        {
            if (environment[variable.Name] is string { Length: > 0 } text && variable.Translate(text) is { } value)
            {
                var setting = SettingCatalogue.Find(variable.Key)!;
                Set(setting, null, setting.Shape == SettingShape.List ? Split(value) : [value], $"environment variable {variable.Name}", null);
            }
        }

        foreach (var (name, path, general) in StandardVariables.OfSignals())
        {
            if (environment[name] is string { Length: > 0 } text && general.Translate(text) is { } value)
            {
                var rule = SettingCatalogue.Find(general.Key)!.Rule;
                var parts = general.Key == "otlp.headers" ? Split(value) : [value];
                _values[path] = string.Join(',', parts.Select(part => rule.Normalise(part.Trim())
                    ?? throw Unacceptable($"environment variable {name}", "it", $"\"{text}\"", rule.Expected)));
            }
        }
    }

    private void CheckTogether()
    {
        if (IsSet("otlp", "clientCertificate") != IsSet("otlp", "clientKey"))
        {
            throw new ConfigurationException("only one of otlp.clientCertificate and otlp.clientKey is set; expected both, or neither");
        }

        foreach (var signal in StandardVariables.Signals)
        {
            var section = $"{StandardVariables.SignalSection}:{signal}";
            if (IsSet(section, "clientCertificate") != IsSet(section, "clientKey"))
            {
                var variables = $"OTEL_EXPORTER_OTLP_{signal.ToUpperInvariant()}_CLIENT_";
                throw new ConfigurationException($"only one of {variables}CERTIFICATE and {variables}KEY is set; expected both, or neither");
            }
        }

        if (_values.GetValueOrDefault("payload:direction") is { } direction and not "off"
            && _values.GetValueOrDefault("payload:all") != "true"
            && !_values.Keys.Any(key => s_payloadLists.Any(list => key.StartsWith(list, StringComparison.OrdinalIgnoreCase))))
        {
            throw new ConfigurationException(
                $"payload.direction is {direction}, but nobody's payload is named; expected payload.processes, payload.ports or payload.namespaces, or payload.all: true");
        }

        bool IsSet(string section, string key) => _values.GetValueOrDefault($"{section}:{key}") is { Length: > 0 };
    }

    private void AddFile(string path)
    {
        var root = ConfigurationFile.Read(path);
        if (root.Members is null)
        {
            if (root.Text is not null || root.Items is not null)
            {
                throw new ConfigurationException(
                    string.Create(CultureInfo.InvariantCulture, $"{path}, line {root.Line}: no keys; expected sections such as kernel: or http:"));
            }

            return;
        }

        foreach (var (name, line, value) in Members(path, "", root.Members))
        {
            if (SettingCatalogue.Find(name) is { } setting)
            {
                AddFromFile(path, setting, line, value);
            }
            else if (SettingCatalogue.IsSection(name))
            {
                AddSection(path, name, line, value);
            }
            else
            {
                throw Unknown(At(path, line), name);
            }
        }
    }

    private void AddSection(string path, string section, int line, FileNode content)
    {
        if (content.Members is null)
        {
            if (content.Text is null && content.Items is null)
            {
                return;
            }

            throw new ConfigurationException($"{At(path, line)}: {section} is a section; expected keys under it");
        }

        foreach (var (name, nameLine, value) in Members(path, section + ".", content.Members))
        {
            var key = $"{section}.{name}";
            AddFromFile(path, SettingCatalogue.Find(key) ?? throw Unknown(At(path, nameLine), key), nameLine, value);
        }
    }

    private void AddFromFile(string path, Setting setting, int line, FileNode value)
    {
        if (setting.Shape == SettingShape.Map)
        {
            if (value.Text is not null || value.Items is not null)
            {
                throw Unacceptable(At(path, line), setting.Key, value.Text ?? "a list", setting.Expected);
            }

            foreach (var (name, nameLine, list) in Members(path, setting.Key + ".", value.Members ?? []))
            {
                Set(setting, name, Texts(path, setting, $"{setting.Key}.{name}", list), At(path, nameLine), null);
            }

            return;
        }

        if (value.Members is not null)
        {
            throw Unacceptable(At(path, line), setting.Key, "a section", setting.Expected);
        }

        Set(setting, null, Texts(path, setting, setting.Key, value), At(path, line), null);
    }

    private static List<string> Texts(string path, Setting setting, string key, FileNode value)
    {
        if (value.Items is not null)
        {
            if (setting.Shape == SettingShape.Single)
            {
                throw Unacceptable(At(path, value.Line), key, "a list", setting.Expected);
            }

            return [.. value.Items.Select(item => item.Text
                ?? throw Unacceptable(At(path, item.Line), key, item.Members is null && item.Items is null ? "an empty item" : "nested", setting.Expected))];
        }

        if (value.Members is not null)
        {
            throw Unacceptable(At(path, value.Line), key, "a section", setting.Expected);
        }

        if (setting.Shape == SettingShape.Single)
        {
            return [value.Text ?? ""];
        }

        return Split(value.Text ?? "");
    }

    private void AddEnvironment(IDictionary environment)
    {
        // In the order of their names, so that the same environment always gives the same answer.
        var variables = environment.Keys.OfType<string>()
            .Where(name => name.StartsWith(SettingCatalogue.EnvironmentPrefix, StringComparison.OrdinalIgnoreCase))
            .Order(StringComparer.Ordinal);
        foreach (var variable in variables)
        {
            var value = environment[variable] as string ?? "";
            var key = variable[SettingCatalogue.EnvironmentPrefix.Length..].Replace("__", ".", StringComparison.Ordinal);
            var where = $"environment variable {PrintableText.Of(variable, 120)}";
            if (SettingCatalogue.Find(key) is { } setting && setting.Shape != SettingShape.Map)
            {
                Set(setting, null, setting.Shape == SettingShape.List ? Split(value) : [value], where, null);
                continue;
            }

            var entryOf = SettingCatalogue.All.FirstOrDefault(map =>
                map.Shape == SettingShape.Map && key.StartsWith(map.Key + ".", StringComparison.OrdinalIgnoreCase));
            if (entryOf is null)
            {
                var nearest = SettingCatalogue.Nearest(key);
                throw new ConfigurationException(SettingCatalogue.Find(nearest) is null
                    ? $"{where}: unknown key; the nearest known section is {nearest}"
                    : $"{where}: unknown key; the nearest known one is {SettingCatalogue.EnvironmentVariable(nearest)}");
            }

            Set(entryOf, key[(entryOf.Key.Length + 1)..], Split(value), where, null);
        }
    }

    private void Set(Setting setting, string? name, List<string> texts, string where, string? switchName)
    {
        var key = name is null ? setting.Key : $"{setting.Key}.{name}";
        if (name is not null && (name.Length == 0 || name.Contains(':') || PrintableText.Of(name) != name))
        {
            throw new ConfigurationException($"{where}: {setting.Key} has the name \"{PrintableText.Of(name, 80)}\"; expected printable text without a colon");
        }

        var values = new List<string>();
        foreach (var text in texts)
        {
            values.Add(setting.Rule.Normalise(text.Trim()) ?? throw (switchName is null
                ? Unacceptable(where, key, $"\"{text}\"", setting.Rule.Expected)
                : new ConfigurationException($"{switchName} is \"{PrintableText.Of(text, 80)}\"; expected {setting.Rule.Expected}")));
        }

        var path = key.Replace('.', ':');
        if (name is not null)
        {
            // A network's name may hold dots, which separate nothing there.
            path = $"{setting.Key.Replace('.', ':')}:{name}";
        }

        if (setting.Shape == SettingShape.Single)
        {
            _values[path] = values[0];
            return;
        }

        foreach (var replaced in _values.Keys.Where(known => known.StartsWith(path + ":", StringComparison.OrdinalIgnoreCase)).ToList())
        {
            _values.Remove(replaced);
        }

        for (var i = 0; i < values.Count; i++)
        {
            _values[string.Create(CultureInfo.InvariantCulture, $"{path}:{i}")] = values[i];
        }
    }

    private static IEnumerable<(string Name, int Line, FileNode Value)> Members(
        string path, string prefix, IReadOnlyList<(string Name, int Line, FileNode Value)> members)
    {
        var seen = new Dictionary<string, int>(StringComparer.OrdinalIgnoreCase);
        foreach (var member in members)
        {
            if (!seen.TryAdd(member.Name, member.Line))
            {
                throw new ConfigurationException(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{At(path, member.Line)}: {prefix}{PrintableText.Of(member.Name, 80)} is set twice, first on line {seen[member.Name]}; expected one value"));
            }

            yield return member;
        }
    }

    private static List<string> Split(string text) =>
        [.. text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)];

    private static string At(string path, int line) => string.Create(CultureInfo.InvariantCulture, $"{path}, line {line}");

    private static ConfigurationException Unknown(string where, string key) =>
        new($"{where}: unknown key {PrintableText.Of(key, 80)}; the nearest known key is {SettingCatalogue.Nearest(key)}");

    private static ConfigurationException Unacceptable(string where, string key, string value, string expected) =>
        new($"{where}: {PrintableText.Of(key, 80)} is {PrintableText.Of(value, 80)}; expected {expected}");
}
