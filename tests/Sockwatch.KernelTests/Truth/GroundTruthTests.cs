using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.Truth;

/// <summary>
/// A program that counts what it does, beside the agent that counts what it sees: every byte and operation, of client and
/// server separately, through every call that moves data.
/// </summary>
public class GroundTruthTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("4")]
    [InlineData("6")]
    [InlineData("mapped")]
    public async Task Counts_what_the_applications_did(string family)
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "none");

        var (truth, _) = await LoadProgram.RunAsync("truth-client", "all", "--family", family);
        using var __ = truth;
        var scenarios = truth.RootElement.EnumerateArray().ToList();
        var edges = TrueEdge.Merge(scenarios.SelectMany(TrueEdge.Of));
        var page = await agent.ScrapeUntilAsync(
            page => !edges.SelectMany(edge => edge.Differences(page)).Any(), TimeSpan.FromSeconds(8));

        foreach (var scenario in scenarios)
        {
            var names = TrueEdge.Of(scenario).Select(edge => edge.ToString()).ToHashSet();
            var differences = edges.Where(edge => names.Contains(edge.ToString())).SelectMany(edge => edge.Differences(page)).ToList();
            if (scenario.TryGetProperty("skipped", out var reason))
            {
                output.WriteLine($"left out {scenario.GetProperty("scenario").GetString()}: {reason.GetString()}");
            }

            differences.ForEach(difference => output.WriteLine($"WRONG {scenario.GetProperty("scenario").GetString()}: {difference}"));
        }

        output.WriteLine($"family {family}: {scenarios.Count} scenarios, {edges.Count} edges, {edges.Sum(edge => edge.BytesSent + edge.BytesReceived)} B, {edges.Sum(edge => edge.Operations.Values.Sum())} operations");
        Assert.Empty(edges.SelectMany(edge => edge.Differences(page)));
        Assert.Equal("", page.Losses);
    }

    [Fact]
    public async Task Observed_bytes_equal_the_sum_of_the_edges()
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "none");

        var (truth, _) = await LoadProgram.RunAsync("truth-client", "all", "--family", "4");
        truth.Dispose();

        // The machine is never quite silent, and the scrapes themselves are traffic: look for a moment of agreement.
        foreach (var direction in new[] { "transmit", "receive" })
        {
            var page = await agent.ScrapeUntilAsync(page => Observed(page, direction) == Attributed(page, direction), TimeSpan.FromSeconds(8));
            output.WriteLine($"{direction}: observed {Observed(page, direction)} B, edges {Attributed(page, direction)} B");
            Assert.Equal(Observed(page, direction), Attributed(page, direction));
        }

        static double Observed(MetricPage page, string direction) =>
            page.Sum("sockwatch_observed_bytes_total", ("network_io_direction", direction));

        static double Attributed(MetricPage page, string direction) =>
            page.Sum("sockwatch_socket_io_bytes_total", ("network_io_direction", direction));
    }
}
