using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters;
using Sockwatch.Exporters.Otlp;
using Sockwatch.Kernel;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Exporters.Otlp;

/// <summary>
/// Every query of the dashboards, asked of the pages that were scraped and of the metrics that were pushed in the same half hour:
/// rates, quantiles and joins included, the answers are the same.
/// </summary>
public sealed class DashboardAnswersTests : IDisposable
{
    private const string Node = "node-7";
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(15);

    private static readonly (string Name, string Value)[] OfScraper = [("face", "page"), ("job", "sockwatch"), ("instance", Node)];

    private readonly ManualTime _time = new();
    private readonly Random _random = new(11);
    private readonly FakeKernelTotals _kernel = new();
    private readonly TrafficCollector _collector;
    private readonly ExportFailures _failures = new();
    private HashSet<string> _onPage = [];

    public DashboardAnswersTests() => _collector = Some.TrafficCollector(_kernel, _time, Some.TrafficTable(
        new NamesByAddress(), _time, maxSeries: 60, edgeTtl: TimeSpan.FromMinutes(3), seriesTtl: TimeSpan.FromMinutes(2)));

    public void Dispose() => _collector.Dispose();

    [Fact]
    public async Task The_same_query_has_the_same_answer_through_scrape_and_through_OTLP()
    {
        await using var database = await VictoriaMetricsServer.StartAsync(instance: true);
        using var otlp = Some.OtlpMetrics(
            new OtlpOptions
            {
                Endpoint = database.Endpoint, Protocol = OtlpProtocol.HttpProtobuf, ResourceAttributes = { $"host.name={Node}", "face=otlp" },
            },
            failures: _failures,
            time: _time);
        using var prometheus = new PrometheusExporter(new BuildInfo("0.1.0", "6.18.0"), _failures);
        for (var round = 0; round < 120; round++)
        {
            Count(round);
            _time.Advance(Interval);
            var report = await _collector.FreshAsync(CancellationToken.None);
            using var page = new PageBuffer();
            await prometheus.RenderAsync(report, page, ExpositionFormat.PrometheusText, CancellationToken.None);
            using var copy = new MemoryStream();
            await page.SendToAsync(copy, CancellationToken.None);
            copy.Position = 0;
            await ScrapedAsync(database, copy, report.Time);
            Assert.True(otlp.Push(report).IsDelivered);
        }

        await AssertSameSamplesAsync(database);
        var answered = 0;
        var queries = Queries().Distinct().ToList();
        foreach (var query in queries)
        {
            foreach (var before in (TimeSpan[])[TimeSpan.Zero, TimeSpan.FromMinutes(7.3), TimeSpan.FromMinutes(20)])
            {
                var page = PromQl.Text(await database.QueryAsync(query, _time.GetUtcNow() - before, "face=page"), IsOfFace);
                var pushed = PromQl.Text(await database.QueryAsync(query, _time.GetUtcNow() - before, "face=otlp"), IsOfFace);
                Assert.True(page == pushed, $"{query}\nthrough scrape:\n{page}\nthrough OTLP:\n{pushed}");
                answered += page.Length > 0 ? 1 : 0;
            }
        }

        TestContext.Current.SendDiagnosticMessage(string.Create(
            CultureInfo.InvariantCulture, $"{queries.Count} queries at 3 moments: the same answers, {answered} of them not empty"));
        Assert.True(answered > queries.Count * 2, $"only {answered} answers hold anything");
    }

    /// <summary>Stores a page as a scraper does: with its values, and with an end for each series that was on the page before and is not on this.</summary>
    private async Task ScrapedAsync(VictoriaMetricsServer database, MemoryStream page, DateTimeOffset at)
    {
        await database.ImportAsync(page, at, [.. OfScraper]);
        var series = Encoding.UTF8.GetString(page.ToArray()).Split('\n').Where(line => line.Length > 0 && line[0] != '#').Select(line => line[..line.LastIndexOf(' ')]).ToHashSet();
        var request = new OtlpMetricRequest(
            OfScraper.Select(label => KeyValuePair.Create(label.Name, (object)label.Value)), "", "", new EdgeLabels(new AggregationOptions()), OtlpTemporality.Cumulative);
        foreach (var gone in _onPage.Except(series))
        {
            // As a gauge without a unit, so that the name stays as it is.
            var labels = gone[(gone.IndexOf('{') + 1)..^1].Split("\",").Select(label => label.Split("=\"")).ToArray();
            var metric = new MetricDefinition(gone[..gone.IndexOf('{')], "", MetricKind.Gauge, "", "", [.. labels.Select(label => label[0])], IsOfEdge: false);
            request.BeginSelf();
            request.End(metric, at, at, [.. labels.Select(label => label[1].TrimEnd('"'))]);
        }

        await database.PushAsync(request.Complete());
        _onPage = series;
    }

    private static async Task AssertSameSamplesAsync(VictoriaMetricsServer database)
    {
        var samples = (await database.ExportAsync("sockwatch_"))
            .Where(series => !IsOfThisMoment(series.Labels["__name__"]))
            .ToLookup(series => series.Labels["face"], series => $"{PromQl.Text([series], IsOfFace)} at {string.Join(' ', series.TimesMs)}");
        Assert.Equal(samples["page"].Order(StringComparer.Ordinal), samples["otlp"].Order(StringComparer.Ordinal));
    }

    private static bool IsOfThisMoment(string text) =>
        text.Contains("sockwatch_process_", StringComparison.Ordinal) || text.Contains("sockwatch_scrape_", StringComparison.Ordinal);

    private static bool IsOfFace(string label) => label is "face" or "job" || PrometheusSeries.IsOfResource(label);

    /// <summary>Peers come and go, one of them refuses, more than there is room for.</summary>
    private void Count(int round)
    {
        for (var i = 0; i < 60; i++)
        {
            var edge = Some.Edge($"198.51.100.{(round / 4) + _random.Next(40)}", _random.Next(3) == 0 ? NetworkRole.Server : NetworkRole.Client);
            _kernel.Count(edge, new EdgeTotals
            {
                BytesSent = (ulong)_random.Next(1 << 20), BytesReceived = (ulong)_random.Next(1 << 16), Sends = 3, Receives = 2, Connects = 1, Releases = 1,
                Opened = 1, Closed = 1, Retransmits = (ulong)_random.Next(2), ResetsReceived = (ulong)_random.Next(2),
            });
            var timings = _kernel.Timings.GetValueOrDefault(edge);
            timings.Connect.AddGrowth(Some.Latency((ulong)_random.NextInt64(1_000_000_000)), default);
            timings.Rtt.AddGrowth(Some.Latency((ulong)_random.NextInt64(1_000_000)), default);
            _kernel.Timings[edge] = timings;
            if (_random.Next(5) == 0)
            {
                var refused = new EdgeFailureKey { Edge = edge, Error = 111, Operation = SocketOperation.Connect };
                var failures = _kernel.Failures.GetValueOrDefault(refused);
                failures.Count++;
                _kernel.Failures[refused] = failures;
            }
        }
    }

    /// <summary>Filled in as Grafana would. The agent's own memory and time are different at each look, and left out.</summary>
    private static IEnumerable<string> Queries()
    {
        var folder = Path.Combine(Path.GetDirectoryName(ThisFile())!, "../../../../deploy/helm/sockwatch/files/dashboards");
        foreach (var file in Directory.GetFiles(folder, "*.json"))
        {
            using var dashboard = JsonDocument.Parse(File.ReadAllText(file));
            foreach (var expression in Expressions(dashboard.RootElement))
            {
                if (expression.Contains("sockwatch_", StringComparison.Ordinal) && !IsOfThisMoment(expression))
                {
                    yield return Filled(expression);
                }
            }
        }
    }

    private static IEnumerable<string> Expressions(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => element.EnumerateObject().SelectMany(member =>
            member is { Name: "expr", Value.ValueKind: JsonValueKind.String } ? [member.Value.GetString()!] : Expressions(member.Value)),
        JsonValueKind.Array => element.EnumerateArray().SelectMany(Expressions),
        _ => [],
    };

    private static string Filled(string expression) => expression
        .Replace("$__rate_interval", "1m", StringComparison.Ordinal)
        .Replace("$__interval", "1m", StringComparison.Ordinal)
        .Replace("$__range", "10m", StringComparison.Ordinal)
        .Replace("$node", Node, StringComparison.Ordinal)
        .Replace("$namespace", ".*", StringComparison.Ordinal)
        .Replace("$workload", ".*", StringComparison.Ordinal)
        .Replace("$hidden", "none", StringComparison.Ordinal)
        .Replace("$edges", "10000", StringComparison.Ordinal)

        // Which of those that are alike comes last is anybody's guess.
        .Replace("topk(10,", "topk(10000,", StringComparison.Ordinal);

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
