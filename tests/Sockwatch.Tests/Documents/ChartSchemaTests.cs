using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Sockwatch.Configuration;

namespace Sockwatch.Tests.Documents;

/// <summary>What the chart takes under config is what the agent takes in its file.</summary>
public sealed class ChartSchemaTests
{
    private static readonly string Path = System.IO.Path.Combine(
        System.IO.Path.GetDirectoryName(ThisFile())!, "../../../deploy/helm/sockwatch/values.schema.json");

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    [Fact]
    public void The_schema_of_config_is_what_the_catalogue_says()
    {
        var schema = JsonNode.Parse(File.ReadAllText(Path))!;
        var expected = OfSettings();
        if (Environment.GetEnvironmentVariable("UPDATE_DOCS") == "1")
        {
            schema["properties"]!["config"] = expected.DeepClone();
            File.WriteAllText(Path, schema.ToJsonString(Indented) + "\n");
        }

        Assert.Equal(expected.ToJsonString(Indented), schema["properties"]!["config"]!.ToJsonString(Indented));
    }

    [Fact]
    public void The_schema_takes_whatever_the_agent_takes()
    {
        string[] samples =
        [
            "0", "1", "5", "1048576", "67108864", "0.5", "250ms", "5s", "1m30s", "2h", "7d", "1.5h", "00:00:05", "1:00:00", "1.00:00:00", "8MiB", "64 KiB", "1Gi", "4096B", ".5", "1.0",
            "http://collector:4317", "https://[2001:db8::1]:4318/otlp", "", "10.0.0.0/8", "fd00::/8", "2001:DB8::/32", "team=shop", "a=b=c", "a=", "/run/sockwatch",
        ];

        foreach (var rule in SettingCatalogue.All.Select(setting => setting.Rule).Where(rule => PatternOf(rule) is not null))
        {
            var accepted = samples.Where(sample => rule.Normalise(sample) is not null).ToList();
            Assert.NotEmpty(accepted);
            Assert.All(accepted, sample => Assert.Matches(PatternOf(rule)!, sample));
        }
    }

    [Fact]
    public void The_schema_takes_the_numbers_that_the_agent_takes_and_no_others()
    {
        foreach (var rule in SettingCatalogue.All.Select(setting => setting.Rule).Where(rule => rule == ValueRule.Share || PatternOf(rule) is not null))
        {
            var schema = Of(rule);

            Assert.All(
                [-1, 0, 0.5, 1, 1.5, 2, 5, 100, 4095, 4096, 12_345, 65_536, 1_048_576, 12_582_912, 67_108_864, 1L << 33, 1L << 50],
                (double number) => Assert.True(
                    (rule.Normalise(number.ToString(CultureInfo.InvariantCulture)) is not null) == Takes(schema, number),
                    $"{rule.Expected}: {number} by {schema.ToJsonString()}"));
        }
    }

    /// <summary>The few keywords that are used here.</summary>
    private static bool Takes(JsonNode schema, double number)
    {
        string[] types = schema["type"] switch { JsonArray several => [.. several.Select(type => type!.GetValue<string>())], { } one => [one.GetValue<string>()], null => ["number"] };
        return (types.Contains("number") || (types.Contains("integer") && double.IsInteger(number)))
            && (schema["minimum"] is not { } least || number >= Number(least))
            && (schema["maximum"] is not { } most || number <= Number(most))
            && (schema["const"] is not { } only || number == Number(only))
            && (schema["enum"] is not JsonArray values || values.Any(value => Number(value!) == number))
            && (schema["anyOf"] is not JsonArray any || any.Any(one => Takes(one!, number)));
    }

    private static double Number(JsonNode node) => double.Parse(node.ToJsonString(), CultureInfo.InvariantCulture);

    private static JsonObject OfSettings()
    {
        var root = new JsonObject();
        foreach (var setting in SettingCatalogue.All)
        {
            var names = setting.Key.Split('.');
            var section = root;
            foreach (var name in names[..^1])
            {
                section[name] ??= Section([]);
                section = section[name]!["properties"]!.AsObject();
            }

            var value = setting.Shape switch
            {
                SettingShape.List => new JsonObject { ["type"] = "array", ["items"] = Of(setting.Rule) },
                SettingShape.Map => new JsonObject
                {
                    ["type"] = "object",
                    ["additionalProperties"] = new JsonObject { ["type"] = "array", ["items"] = Of(setting.Rule) },
                },
                _ => Of(setting.Rule),
            };
            value["description"] = setting.Summary;
            section[names[^1]] = value;
        }

        return Section(root);
    }

    private static JsonObject Section(JsonObject properties) => new()
    {
        ["type"] = "object",
        ["additionalProperties"] = false,
        ["properties"] = properties,
    };

    private static JsonObject Of(ValueRule rule) => rule switch
    {
        _ when rule == ValueRule.Flag => new JsonObject { ["type"] = "boolean" },
        { Words.Count: > 0 } => new JsonObject { ["enum"] = new JsonArray([.. rule.Words.Select(word => JsonValue.Create(word))]) },
        { Range: { } range } => new JsonObject { ["type"] = "integer", ["minimum"] = range.Least, ["maximum"] = range.Most },
        _ when PatternOf(rule) is { } pattern => OfPattern(rule, pattern),
        _ when rule.Normalise("") is null => new JsonObject { ["type"] = new JsonArray("string", "number"), ["minLength"] = 1 },
        _ => new JsonObject { ["type"] = new JsonArray("string", "number") },
    };

    // A pattern is asked of strings only, and so numbers have keywords of their own, which are asked of nothing else.
    private static JsonObject OfPattern(ValueRule rule, string pattern)
    {
        var schema = new JsonObject { ["type"] = "string", ["pattern"] = pattern };
        if (rule == ValueRule.Share)
        {
            schema["type"] = new JsonArray("string", "number");
            schema["minimum"] = 0;
            schema["maximum"] = 1;
        }
        else if (rule.Sizes is { } sizes)
        {
            schema["type"] = new JsonArray("string", "integer");
            schema["minimum"] = rule.HasZero ? 0 : sizes.Least;
            schema["maximum"] = sizes.Most;
            if (rule.IsPowerOfTwo)
            {
                schema["anyOf"] = StringOr(new JsonObject { ["enum"] = new JsonArray([.. PowersOfTwo(sizes).Select(size => JsonValue.Create(size))]) });
            }
            else if (rule.HasZero && sizes.Least > 1)
            {
                schema["anyOf"] = StringOr(new JsonObject { ["const"] = 0 }, new JsonObject { ["minimum"] = sizes.Least });
            }
        }
        else if (rule.HasZero)
        {
            // A duration: a number has no unit.
            schema["type"] = new JsonArray("string", "integer");
            schema["minimum"] = 0;
            schema["maximum"] = 0;
        }

        return schema;
    }

    private static JsonArray StringOr(params JsonNode[] others) => [new JsonObject { ["type"] = "string" }, .. others];

    private static IEnumerable<long> PowersOfTwo((long Least, long Most) sizes)
    {
        for (var size = sizes.Least; size <= sizes.Most; size *= 2)
        {
            yield return size;
        }
    }

    /// <summary>The form of a value, as far as a pattern can tell; the agent looks at the rest.</summary>
    private static string? PatternOf(ValueRule rule) => rule switch
    {
        _ when rule == ValueRule.Url => "^(https?://[^/ ]+.*)?$",
        _ when rule == ValueRule.Network => "^[0-9A-Fa-f:.]+/[0-9]{1,3}$",
        _ when rule == ValueRule.KeyAndValue => "^[^=]+=",
        _ when rule == ValueRule.AbsolutePath => "^/",
        _ when rule == ValueRule.Share => "^(0?[.][0-9]+|0[.]?|1([.]0*)?)$",
        _ when rule.Expected.StartsWith("a duration ", StringComparison.Ordinal) => rule.HasZero
            ? "^(0|([0-9.]+(us|ms|s|m|h|d))+|[0-9.]+(:[0-9.]+)+)$"
            : "^(([0-9.]+(us|ms|s|m|h|d))+|[0-9.]+(:[0-9.]+)+)$",
        _ when rule.Expected.StartsWith("a size ", StringComparison.Ordinal) => "^[0-9]+ *(B|[KMG]iB?)?$",
        _ => null,
    };

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
