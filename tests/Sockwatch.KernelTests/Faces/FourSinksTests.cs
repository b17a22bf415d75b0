using System.Globalization;
using System.Text.Json;
using Sockwatch.KernelTests.Agents;
using Sockwatch.KernelTests.Truth;
using Sockwatch.Tests.Exporters.Otlp;

namespace Sockwatch.KernelTests.Faces;

/// <summary>
/// One run of the load program; two agents beside each other, one pushing by gRPC, the other by HTTP; receivers that share no
/// line with them: Python's grpc, VictoriaMetrics. The page, both pushes and the flow records say the same of every edge.
/// </summary>
public sealed class FourSinksTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(15);

    [Fact]
    public async Task Page_gRPC_HTTP_and_flow_records_say_the_same_of_every_edge_to_the_byte()
    {
        Requires.Bpf();
        await using var database = await VictoriaMetricsServer.StartAsync();
        await using var collector = await PythonGrpcReceiver.StartAsync();
        var configuration = Some.ConfigurationFile("otlp: { interval: 500ms, spans: true }\n");
        await using var first = await RunningAgent.StartAsync(
            "--flow-log", "-", "--format", "json", "--otlp-endpoint", collector.Endpoint, "--config", configuration);
        await using var second = await RunningAgent.StartAsync(
            "--flow-log", "none", "--otlp-endpoint", database.Endpoint, "--otlp-protocol", "http/protobuf",
            "--config", Some.ConfigurationFile("otlp: { interval: 500ms, logs: false }\n"));

        var (truth, _) = await LoadProgram.RunAsync("truth-client", "all", "--family", "4");
        using var __ = truth;
        var edges = TrueEdge.Merge(truth.RootElement.EnumerateArray().SelectMany(TrueEdge.Of));
        var page = await first.ScrapeUntilAsync(page => !edges.SelectMany(edge => edge.Differences(page)).Any(), Settle);
        Assert.Empty(edges.SelectMany(edge => edge.Differences(page)));
        var other = await second.ScrapeUntilAsync(page => !edges.SelectMany(edge => edge.Differences(page)).Any(), Settle);
        Assert.Empty(edges.SelectMany(edge => edge.Differences(other)));

        // Once nothing of these edges changes any more, what is pushed from here on has it all.
        var pages = (First: await QuietAsync(first), Second: await QuietAsync(second));
        await Task.WhenAll(first.StopAsync(), second.StopAsync());
        var byGrpc = Of(PrometheusSeries.OfRows(await collector.RowsAsync("metrics")));
        var byHttp = Of(PrometheusSeries.OfStored(await database.ExportAsync("sockwatch_")));
        AssertSame(pages.First, byGrpc);
        AssertSame(pages.Second, byHttp);
        AssertSame(Counts(pages.First), Counts(pages.Second));

        // Of the flow records, the last one of each flow.
        var lines = Ended(first.Output.Select(line => JsonDocument.Parse(line).RootElement), line => line.GetProperty("event.name").GetString()!, line => line);
        var logs = Ended(await collector.RowsAsync("logs"), log => log.GetProperty("event").GetString()!, log => log.GetProperty("attributes"));
        Assert.Equal(lines.OrderBy(line => line.Key), logs.OrderBy(log => log.Key));
        AssertAddUp(lines, page);
        var spans = (await collector.RowsAsync("traces")).Select(span => span.GetProperty("trace").GetString()!).ToHashSet();
        Assert.True(spans.Count >= lines.Count);
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{edges.Count} edges, {edges.Sum(edge => edge.BytesSent + edge.BytesReceived):N0} B: {pages.First.Count} series alike on the page and by gRPC, {pages.Second.Count} on the other page and by HTTP; {lines.Count} edges of flow records alike as JSON lines and by OTLP, {spans.Count} spans"));
    }

    [Theory]
    [InlineData("cumulative")]
    [InlineData("delta")]
    public async Task What_was_counted_up_to_the_end_is_in_the_last_push(string temporality)
    {
        Requires.Bpf();
        await using var receiver = await OtlpReceiver.StartAsync(grpc: true);
        await using var agent = await RunningAgent.StartAsync(
            "--flow-log", "none", "--otlp-endpoint", receiver.Endpoint,
            "--config", Some.ConfigurationFile($"otlp: {{ interval: 1h, temporality: {temporality} }}\n"));

        var (truth, _) = await LoadProgram.RunAsync("truth-client", "write");
        using var __ = truth;
        await agent.StopAsync();

        var edges = TrueEdge.Of(truth.RootElement);
        var io = receiver.Points.Where(point => point.Name == "sockwatch.socket.io").ToList();
        foreach (var edge in edges)
        {
            var sent = io.Where(point => point.Attributes.GetValueOrDefault("process.executable.name") == edge.Executable
                && point.Attributes.GetValueOrDefault("server.port") == edge.ServerPort && point.Attributes["network.io.direction"] == "transmit").Sum(point => point.Value);
            Assert.Equal(edge.BytesSent, sent);
        }

        Assert.NotEmpty(edges);
    }

    /// <summary>Series of the load program's two halves, which nobody else touches.</summary>
    private static Dictionary<string, double> Of(Dictionary<string, double> series) => series
        .Where(one => one.Key.Contains("process_executable_name=truth-", StringComparison.Ordinal)).ToDictionary();

    /// <summary>The page once it stands still: the last timings come after the last bytes.</summary>
    private static async Task<Dictionary<string, double>> QuietAsync(RunningAgent agent)
    {
        var page = Of(PrometheusSeries.OfPage(await agent.PageAsync()));
        for (var patience = 0; patience < 20; patience++)
        {
            await Task.Delay(1500);
            var next = Of(PrometheusSeries.OfPage(await agent.PageAsync()));
            if (next.Count == page.Count && next.All(series => page.GetValueOrDefault(series.Key, double.NaN) == series.Value))
            {
                break;
            }

            page = next;
        }

        return page;
    }

    /// <summary>What both agents counted, and did not time by their own clock.</summary>
    private static Dictionary<string, double> Counts(Dictionary<string, double> series) => series
        .Where(one => one.Key.StartsWith("sockwatch_socket_", StringComparison.Ordinal)).ToDictionary();

    private static void AssertSame(Dictionary<string, double> page, Dictionary<string, double> other)
    {
        Assert.True(page.Count > 100, $"{page.Count} series");
        Assert.Equal(page.Keys.Order(StringComparer.Ordinal), other.Keys.Order(StringComparer.Ordinal));
        foreach (var (series, value) in page)
        {
            // VictoriaMetrics keeps fifteen digits, which is more than any count here has, and less than some sums of seconds.
            Assert.Equal(value, other[series], series.Contains("_seconds_sum{", StringComparison.Ordinal) ? Math.Abs(value) * 1e-14 : 0);
        }
    }

    private static Dictionary<string, (long Sent, long Received)> Ended(
        IEnumerable<JsonElement> records, Func<JsonElement, string> nameOf, Func<JsonElement, JsonElement> attributesOf)
    {
        var edges = new Dictionary<string, (long Sent, long Received)>();
        foreach (var record in records.Where(record => nameOf(record) == "flow.end"))
        {
            var attributes = attributesOf(record);
            var executable = attributes.TryGetProperty("process.executable.name", out var name) ? name.GetString()! : "";
            if (executable.StartsWith("truth-", StringComparison.Ordinal))
            {
                var role = attributes.GetProperty("network.role").GetString()!;
                var key = $"{executable} {role} {attributes.GetProperty("network.transport").GetString()} :{PortOf(attributes, role == "server" ? "network.local.port" : "network.peer.port")}";
                var (sent, received) = edges.GetValueOrDefault(key);
                edges[key] = (sent + attributes.GetProperty("flow.bytes.sent").GetInt64(), received + attributes.GetProperty("flow.bytes.received").GetInt64());
            }
        }

        return edges;
    }

    private static string PortOf(JsonElement attributes, string name) =>
        attributes.TryGetProperty(name, out var port) ? port.GetInt64().ToString(CultureInfo.InvariantCulture) : "";

    private void AssertAddUp(Dictionary<string, (long Sent, long Received)> flows, MetricPage page)
    {
        var metrics = page.Of("sockwatch_socket_io_bytes_total")
            .Where(sample => sample["process_executable_name"].StartsWith("truth-", StringComparison.Ordinal))
            .GroupBy(sample => $"{sample["process_executable_name"]} {sample["network_role"]} {sample["network_transport"]} :{sample["server_port"]}")
            .ToDictionary(edge => edge.Key, edge => (Sum(edge, "transmit"), Sum(edge, "receive")));
        var differences = flows.Keys.Union(metrics.Keys).Order(StringComparer.Ordinal)
            .Where(edge => flows.GetValueOrDefault(edge) != metrics.GetValueOrDefault(edge))
            .Select(edge => $"{edge}: records {flows.GetValueOrDefault(edge)}, metrics {metrics.GetValueOrDefault(edge)}").ToList();
        differences.ForEach(output.WriteLine);
        Assert.Empty(differences);

        static long Sum(IEnumerable<Sample> edge, string direction) =>
            (long)edge.Where(sample => sample["network_io_direction"] == direction).Sum(sample => sample.Value);
    }
}
