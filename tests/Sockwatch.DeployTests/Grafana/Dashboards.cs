using System.Text.Json;
using System.Text.RegularExpressions;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.DeployTests.Grafana;

/// <summary>One query of a dashboard, and where it stands.</summary>
internal sealed record DashboardQuery(string Dashboard, string Panel, string Expression, bool IsInstant, bool IsOfLoki)
{
    public override string ToString() => $"{Dashboard}, {Panel}: {Expression}";
}

/// <summary>The dashboards that are shipped.</summary>
internal static partial class Dashboards
{
    public static string Folder { get; } = Path.Combine(Repository.Root, "deploy/helm/sockwatch/files/dashboards");

    public static string Rules { get; } = Path.Combine(Repository.Root, "deploy/helm/sockwatch/files/rules/sockwatch.yaml");

    public static IReadOnlyList<JsonElement> All { get; } =
        [.. Directory.GetFiles(Folder, "*.json").Order(StringComparer.Ordinal).Select(file => JsonDocument.Parse(File.ReadAllText(file)).RootElement)];

    public static string Uid(JsonElement dashboard) => dashboard.GetProperty("uid").GetString()!;

    public static IEnumerable<JsonElement> Panels(JsonElement dashboard) => dashboard.GetProperty("panels").EnumerateArray();

    public static IEnumerable<JsonElement> Variables(JsonElement dashboard) => dashboard.GetProperty("templating").GetProperty("list").EnumerateArray();

    public static IEnumerable<DashboardQuery> Queries(JsonElement dashboard)
    {
        foreach (var panel in Panels(dashboard).Where(panel => panel.TryGetProperty("targets", out _)))
        {
            foreach (var target in panel.GetProperty("targets").EnumerateArray())
            {
                yield return new DashboardQuery(
                    Uid(dashboard),
                    panel.GetProperty("title").GetString()!,
                    target.GetProperty("expr").GetString()!,
                    target.TryGetProperty("instant", out var instant) && instant.GetBoolean(),
                    target.GetProperty("datasource").GetProperty("type").GetString() == "loki");
            }
        }

        foreach (var annotation in dashboard.GetProperty("annotations").GetProperty("list").EnumerateArray().Where(item => item.TryGetProperty("expr", out _)))
        {
            yield return new DashboardQuery(Uid(dashboard), annotation.GetProperty("name").GetString()!, annotation.GetProperty("expr").GetString()!, false, false);
        }
    }

    /// <summary>Names of metrics in a query; those of recording rules, which have a colon, are none.</summary>
    public static IEnumerable<string> Metrics(string expression) => Metric().Matches(expression).Select(match => match.Value).Distinct();

    [GeneratedRegex(@"(?<![\w:])sockwatch_[a-z0-9_]+(?![\w:])")]
    private static partial Regex Metric();
}
