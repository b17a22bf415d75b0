using System.Text.Json;
using System.Text.RegularExpressions;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.DeployTests.Grafana;

/// <summary>Every query of every dashboard and rule, against a real Prometheus that scraped the real agent under traffic.</summary>
public sealed partial class LiveDashboardTests(ITestOutputHelper output)
{
    private const string Node = "node-1";

    // As long as it takes until rates over RateInterval have all they need, and a segment has been sent again.
    private static readonly TimeSpan TrafficTime = TimeSpan.FromSeconds(14);

    private const string RateInterval = "10s";

    // What a healthy agent has none of; each is looked at by a query that is right when it finds nothing.
    private static readonly string[] EmptyIsGood =
    [
        "sockwatch-agent, Hooks that are missing",
        "Agent starts",
    ];

    [Fact]
    public async Task Every_panel_has_data_and_every_rule_works()
    {
        await Requires.AgentAsync();
        var program = Requires.Program("prometheus", "prometheus");
        var folder = Directory.CreateTempSubdirectory("sockwatch-test-").FullName;
        var list = Path.Combine(folder, "list.txt");
        await File.WriteAllTextAsync(list, $"{Traffic.Listed} detect 7 Test.Listed\n");
        var configuration = Path.Combine(folder, "sockwatch.yaml");
        await File.WriteAllTextAsync(configuration, $"diagnostics: {{programStats: \"on\"}}\nverdicts: {{files: [{list}]}}\n");
        await using var agent = await RunningAgent.StartAsync("--flow-log", "-", "--format", "json", "--config", configuration);
        using var prometheus = await PrometheusServer.StartAsync(program, agent.Address, Node, Dashboards.Rules);
        await using (new Traffic())
        {
            await Task.Delay(TrafficTime);
            var overflows = await WithDataAsync(() => prometheus.QueryAsync("sockwatch_listen_overflows_total"));
            Assert.NotEmpty(overflows);
            var workload = Label(overflows[0], "workload_name");

            await CheckQueriesAsync(prometheus, workload);
            await CheckVariablesAsync(prometheus);
            await CheckGraphAsync(prometheus, workload);
            await CheckRulesAsync(prometheus);
        }

        await agent.StopAsync();
        CheckLogQueries(agent.Output);
    }

    private async Task CheckQueriesAsync(PrometheusServer prometheus, string workload)
    {
        var asked = 0;
        List<string> empty = [];
        foreach (var query in Dashboards.All.SelectMany(Dashboards.Queries).Where(query => !query.IsOfLoki))
        {
            var expression = Filled(query.Expression, workload);
            Task<IReadOnlyList<JsonElement>> AskAsync() => query.IsInstant
                ? prometheus.QueryAsync(expression)
                : prometheus.QueryRangeAsync(expression, TimeSpan.FromSeconds(10));
            var isGoodEmpty = EmptyIsGood.Any(expected => query.ToString().Contains(expected, StringComparison.Ordinal));
            var result = isGoodEmpty ? await AskAsync() : await WithDataAsync(AskAsync);
            asked++;
            if (!isGoodEmpty && !result.Any(HasNumber))
            {
                empty.Add(query.ToString());
            }
        }

        output.WriteLine($"{asked} queries of {Dashboards.All.Count} dashboards asked");
        Assert.Empty(empty);
    }

    private static async Task CheckVariablesAsync(PrometheusServer prometheus)
    {
        foreach (var variable in Dashboards.All.SelectMany(Dashboards.Variables).Where(variable => variable.GetProperty("type").GetString() == "query"))
        {
            var match = LabelValues().Match(Filled(variable.GetProperty("definition").GetString()!, ".*"));
            Assert.True(match.Success, variable.ToString());
            var values = await prometheus.LabelValuesAsync(match.Groups["label"].Value, match.Groups["selector"].Value);

            // Off Kubernetes no workload has a namespace, and Prometheus keeps no empty label.
            Assert.True(values.Count > 0 || match.Groups["label"].Value == "workload_namespace", variable.ToString());
        }
    }

    private static async Task CheckGraphAsync(PrometheusServer prometheus, string workload)
    {
        var map = Dashboards.All.Single(dashboard => Dashboards.Uid(dashboard) == "sockwatch-map");
        var targets = Dashboards.Panels(map).First().GetProperty("targets").EnumerateArray()
            .ToDictionary(target => target.GetProperty("refId").GetString()!, target => Filled(target.GetProperty("expr").GetString()!, workload));

        // As of one moment, as Grafana asks: an edge may be there since.
        var at = DateTimeOffset.UtcNow;
        var nodes = (await prometheus.QueryAsync(targets["nodes"], at)).Select(node => Label(node, "id")).ToHashSet();
        var edges = await prometheus.QueryAsync(targets["edges"], at);

        Assert.Equal(edges.Count, edges.Select(edge => Label(edge, "id")).Distinct().Count());
        Assert.Subset(nodes, edges.SelectMany(edge => new[] { Label(edge, "source"), Label(edge, "target") }).ToHashSet());
        Assert.Contains(workload, nodes);
    }

    private async Task CheckRulesAsync(PrometheusServer prometheus)
    {
        var rules = await prometheus.RulesAsync();
        output.WriteLine($"{rules.Count} rules evaluated");
        Assert.NotEmpty(rules);
        Assert.All(rules, rule => Assert.Equal("ok", rule.GetProperty("health").GetString()));

        foreach (var record in rules.Where(rule => rule.GetProperty("type").GetString() == "recording"))
        {
            Assert.NotEmpty(await prometheus.QueryAsync(record.GetProperty("name").GetString()!));
        }

        // A healthy agent raises none but those that this traffic is there for.
        var raised = rules.Where(rule => rule.GetProperty("type").GetString() == "alerting" && rule.GetProperty("alerts").GetArrayLength() > 0)
            .Select(rule => rule.GetProperty("name").GetString()!).ToList();
        Assert.Contains("SockwatchDetection", raised);
        Assert.Empty(raised.Except(["SockwatchConnectFailuresBurnFast", "SockwatchConnectFailuresBurnSlow", "SockwatchListenQueueOverflows", "SockwatchDetection"]));
    }

    /// <summary>There is no Loki here; that the fields of its queries are those of real records can be told.</summary>
    private static void CheckLogQueries(IEnumerable<string> lines)
    {
        var fields = lines.Select(line => JsonDocument.Parse(line).RootElement).SelectMany(record => record.EnumerateObject())
            .Select(field => field.Name.Replace('.', '_')).ToHashSet();

        var used = Dashboards.All.SelectMany(Dashboards.Queries).Where(query => query.IsOfLoki)
            .SelectMany(query => LogField().Matches(query.Expression).Select(match => match.Groups["field"].Value)).ToHashSet();

        Assert.NotEmpty(used);
        Assert.Empty(used.Except(fields));
    }

    /// <summary>The answer that has numbers, or the last one: on a busy machine what the traffic does takes longer.</summary>
    private static async Task<IReadOnlyList<JsonElement>> WithDataAsync(Func<Task<IReadOnlyList<JsonElement>>> ask)
    {
        for (var deadline = DateTime.UtcNow.AddSeconds(20); ; await Task.Delay(500))
        {
            var answer = await ask();
            if (answer.Any(HasNumber) || DateTime.UtcNow > deadline)
            {
                return answer;
            }
        }
    }

    private static string Filled(string expression, string workload) => expression
        .Replace("$__rate_interval", RateInterval, StringComparison.Ordinal)
        .Replace("$__interval", RateInterval, StringComparison.Ordinal)
        .Replace("$__range", RateInterval, StringComparison.Ordinal)
        .Replace("$node", ".*", StringComparison.Ordinal)
        .Replace("$namespace", ".*", StringComparison.Ordinal)
        .Replace("$workload", Regex.Escape(workload).Replace("\\", "\\\\", StringComparison.Ordinal), StringComparison.Ordinal)
        .Replace("$hidden", "none", StringComparison.Ordinal)
        .Replace("$edges", "100", StringComparison.Ordinal);

    private static string Label(JsonElement series, string name) =>
        series.GetProperty("metric").TryGetProperty(name, out var value) ? value.GetString()! : "";

    private static bool HasNumber(JsonElement series) => series.TryGetProperty("values", out var values)
        ? values.EnumerateArray().Any(point => point[1].GetString() != "NaN")
        : series.GetProperty("value")[1].GetString() != "NaN";

    [GeneratedRegex(@"^label_values\((?<selector>.+), (?<label>\w+)\)$")]
    private static partial Regex LabelValues();

    [GeneratedRegex(@"\{\{\.(?<field>\w+)\}\}|unwrap (?<field>\w+)|by \((?<field>\w+)\)|\| (?<field>[a-z]\w*) =")]
    private static partial Regex LogField();
}
