using System.Text.Json;
using System.Text.RegularExpressions;
using Sockwatch.KernelTests.Agents;
using YamlDotNet.RepresentationModel;

namespace Sockwatch.DeployTests.Grafana;

/// <summary>The dashboards and rules by themselves: whole, consistent, and of metrics that exist.</summary>
public sealed partial class DashboardTests
{
    public static TheoryData<string> Names() => [.. Dashboards.All.Select(Dashboards.Uid)];

    [Fact]
    public void There_is_a_dashboard_for_each_question() => Assert.Equal(
        ["sockwatch-agent", "sockwatch-flows", "sockwatch-map", "sockwatch-overview", "sockwatch-workload"], Dashboards.All.Select(Dashboards.Uid));

    [Theory]
    [MemberData(nameof(Names))]
    public void A_dashboard_is_whole(string name)
    {
        var dashboard = Dashboards.All.Single(dashboard => Dashboards.Uid(dashboard) == name);

        Assert.True(File.Exists(Path.Combine(Dashboards.Folder, $"{name}.json")), "the file is called as the dashboard");
        Assert.Contains("sockwatch", dashboard.GetProperty("tags").EnumerateArray().Select(tag => tag.GetString()));
        Assert.NotEmpty(dashboard.GetProperty("description").GetString()!);
        Assert.NotEmpty(dashboard.GetProperty("links").EnumerateArray());
        var panels = Dashboards.Panels(dashboard).ToList();
        Assert.Equal(panels.Count, panels.Select(panel => panel.GetProperty("id").GetInt32()).Distinct().Count());
        Assert.All(panels, panel => Assert.NotEmpty(panel.GetProperty("title").GetString()!));
        var shown = panels.Where(panel => Type(panel) != "row").ToList();
        Assert.All(shown, panel => Assert.NotEmpty(panel.GetProperty("description").GetString()!));
        Assert.All(shown, panel => Assert.Matches(@"^\$\{(datasource|loki)\}$", panel.GetProperty("datasource").GetProperty("uid").GetString()!));
        Assert.All(shown.Where(panel => Type(panel) is "timeseries" or "stat" or "nodeGraph"), panel =>
            Assert.NotEmpty(panel.GetProperty("fieldConfig").GetProperty("defaults").GetProperty("unit").GetString()!));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Panels_fill_the_grid_without_lying_on_each_other(string name)
    {
        var taken = new Dictionary<(int, int), string>();
        foreach (var panel in Dashboards.Panels(Dashboards.All.Single(dashboard => Dashboards.Uid(dashboard) == name)))
        {
            var place = panel.GetProperty("gridPos");
            var (x, y) = (place.GetProperty("x").GetInt32(), place.GetProperty("y").GetInt32());
            var (width, height) = (place.GetProperty("w").GetInt32(), place.GetProperty("h").GetInt32());
            Assert.InRange(x + width, 1, 24);
            for (var column = x; column < x + width; column++)
            {
                for (var row = y; row < y + height; row++)
                {
                    Assert.True(taken.TryAdd((column, row), Title(panel)), $"{Title(panel)} lies on {taken.GetValueOrDefault((column, row))}");
                }
            }
        }

        // No column of a row of the grid is empty.
        Assert.Equal(24 * (1 + taken.Keys.Max(cell => cell.Item2)), taken.Count);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_variable_that_is_used_is_there(string name)
    {
        var dashboard = Dashboards.All.Single(dashboard => Dashboards.Uid(dashboard) == name);
        var known = Dashboards.Variables(dashboard).Select(variable => variable.GetProperty("name").GetString()!).ToHashSet();

        var used = Dashboards.Queries(dashboard).SelectMany(query => Variable().Matches(query.Expression).Select(match => match.Groups["name"].Value))
            .Concat(Dashboards.Panels(dashboard).Where(panel => panel.TryGetProperty("datasource", out _))
                .Select(panel => panel.GetProperty("datasource").GetProperty("uid").GetString()!.Trim('$', '{', '}')))
            .Where(variable => !variable.StartsWith("__", StringComparison.Ordinal)).ToHashSet();

        Assert.Empty(used.Except(known));
        Assert.Empty(known.Except(used));
    }

    [Fact]
    public void Links_between_dashboards_lead_somewhere()
    {
        var uids = Dashboards.All.Select(Dashboards.Uid).ToHashSet();

        var linked = Dashboards.All.SelectMany(dashboard => Link().Matches(dashboard.GetRawText()).Select(match => match.Groups["uid"].Value)).ToHashSet();

        Assert.NotEmpty(linked);
        Assert.Empty(linked.Except(uids));
    }

    [Fact]
    public void Dashboards_and_rules_name_only_metrics_that_exist()
    {
        // docs/metrics.md is kept equal to the code by a test of its own.
        var known = Dashboards.Metrics(File.ReadAllText(Path.Combine(Repository.Root, "docs/metrics.md"))).ToHashSet();
        known.UnionWith(known.SelectMany(metric => new[] { $"{metric}_bucket", $"{metric}_count", $"{metric}_sum" }).ToList());

        var named = Dashboards.All.SelectMany(Dashboards.Queries).Where(query => !query.IsOfLoki).SelectMany(query => Dashboards.Metrics(query.Expression))
            .Concat(Dashboards.All.SelectMany(Dashboards.Variables).Where(variable => variable.GetProperty("type").GetString() == "query")
                .SelectMany(variable => Dashboards.Metrics(variable.GetProperty("definition").GetString()!)))
            .Concat(Expressions().SelectMany(Dashboards.Metrics)).ToHashSet();

        Assert.NotEmpty(named);
        Assert.Empty(named.Except(known));
    }

    [Fact]
    public void Every_alert_says_what_to_do_and_where_to_read_on()
    {
        var headings = Heading().Matches(File.ReadAllText(Path.Combine(Repository.Root, "docs/troubleshooting.md")))
            .Select(match => Anchor(match.Groups["text"].Value)).ToHashSet();

        foreach (var alert in RulesOf("alert"))
        {
            var annotations = (YamlMappingNode)alert["annotations"];
            Assert.NotEmpty(((YamlScalarNode)annotations["summary"]).Value!);
            Assert.NotEmpty(((YamlScalarNode)annotations["description"]).Value!);
            Assert.Contains(((YamlScalarNode)annotations["runbook"]).Value!.Replace("docs/troubleshooting.md#", "", StringComparison.Ordinal), headings);
            Assert.Contains(((YamlScalarNode)alert["labels"]["severity"]).Value, (string[])["critical", "warning", "info"]);
        }
    }

    [Fact]
    public async Task Each_alert_fires_when_it_should_and_not_otherwise()
    {
        var promtool = Requires.Program("promtool", "prometheus");
        var folder = Directory.CreateTempSubdirectory("sockwatch-test-").FullName;
        var test = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "tests/Sockwatch.DeployTests/Grafana/rules-test.yaml"));
        await File.WriteAllTextAsync(Path.Combine(folder, "test.yaml"), test.Replace("@rules@", Dashboards.Rules, StringComparison.Ordinal));

        var check = await Shell.RunAsync(promtool, "check", "rules", Dashboards.Rules);
        var run = await Shell.RunAsync(promtool, "test", "rules", Path.Combine(folder, "test.yaml"));

        Assert.True(check.ExitCode == 0, check.Output + check.Errors);
        Assert.True(run.ExitCode == 0, run.Output + run.Errors);
        var tested = Tested().Matches(test).Select(match => match.Groups["name"].Value).ToHashSet();
        Assert.Empty(RulesOf("alert").Select(alert => ((YamlScalarNode)alert["alert"]).Value!).Except(tested));
    }

    [Fact]
    public void Grafana_folder_and_chart_have_the_same_files()
    {
        foreach (var (link, target) in new[] { ("dashboards", Dashboards.Folder), ("alerts.yaml", Dashboards.Rules) })
        {
            var resolved = new FileInfo(Path.Combine(Repository.Root, "deploy/grafana", link)).ResolveLinkTarget(returnFinalTarget: true);
            Assert.Equal(target, resolved?.FullName.TrimEnd('/'));
        }
    }

    private static IEnumerable<string> Expressions() => RulesOf("expr").Select(rule => ((YamlScalarNode)rule["expr"]).Value!);

    private static List<YamlMappingNode> RulesOf(string key)
    {
        var stream = new YamlStream();
        using var text = File.OpenText(Dashboards.Rules);
        stream.Load(text);
        return ((YamlSequenceNode)stream.Documents[0].RootNode["groups"]).SelectMany(group => (YamlSequenceNode)group["rules"])
            .Cast<YamlMappingNode>().Where(rule => rule.Children.ContainsKey(key)).ToList();
    }

    private static string Type(JsonElement panel) => panel.GetProperty("type").GetString()!;

    private static string Title(JsonElement panel) => panel.GetProperty("title").GetString()!;

    private static string Anchor(string heading) => string.Concat(heading.Trim().ToLowerInvariant()
        .Where(character => char.IsLetterOrDigit(character) || character is '-' or '_' or ' ')).Replace(' ', '-');

    [GeneratedRegex(@"\$\{?(?<name>[a-z_]\w*)\}?")]
    private static partial Regex Variable();

    [GeneratedRegex(@"/d/(?<uid>[\w-]+)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^#+ (?<text>.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"eval_time: \w+\s+alertname: (?<name>\w+)\s+exp_alerts")]
    private static partial Regex Tested();
}
