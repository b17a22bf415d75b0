using System.Text.Json;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.Truth;

/// <summary>What an operator leaves out is left out whole: no bytes, no operations, no records; and the rest stays exact.</summary>
public class FilterTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("filters: { ignoreLoopback: true }", "4", true)]
    [InlineData("filters: { ignoreLoopback: true }", "6", true)]
    [InlineData("filters: { ignoreLoopback: true }", "mapped", true)]
    [InlineData("filters: { ignoreIpv6: true }", "6", true)]
    [InlineData("filters: { ignoreIpv6: true }", "4", false)]
    [InlineData("filters: { ignoreIpv6: true }", "mapped", false)]
    [InlineData("filters: { excludeNetworks: [127.0.0.0/8] }", "4", true)]
    [InlineData("filters: { excludeNetworks: [127.0.0.0/8] }", "mapped", true)]
    [InlineData("filters: { excludeNetworks: [127.0.0.0/8] }", "6", false)]
    [InlineData("filters: { excludeNetworks: ['::1/128', 10.0.0.0/8] }", "6", true)]
    [InlineData("filters: { excludeNetworks: [10.0.0.0/8] }", "4", false)]
    public async Task Leaves_out_what_it_is_told_to(string yaml, string family, bool isLeftOut)
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "-", "--format", "json", "--config", Some.ConfigurationFile(yaml));

        var edges = new List<TrueEdge>();
        foreach (var scenario in new[] { "send", "udp_connected", "udp_unconnected", "udp_many_peers", "refused" })
        {
            var (truth, _) = await LoadProgram.RunAsync("truth-client", scenario, "--family", family);
            edges.AddRange(TrueEdge.Of(truth.RootElement));
            truth.Dispose();
        }

        var merged = TrueEdge.Merge(edges);
        var page = await agent.ScrapeUntilAsync(
            page => isLeftOut || !merged.SelectMany(edge => edge.Differences(page)).Any(), TimeSpan.FromSeconds(8));
        await agent.StopAsync();

        var seen = page.Samples.Count(sample => sample["process_executable_name"].StartsWith("truth-"));
        var records = agent.Output.Count(line => line.Contains("\"process.executable.name\":\"truth-"));
        output.WriteLine($"{yaml} with family {family}: {seen} samples, {records} records");
        Assert.Equal("", page.Losses);
        if (isLeftOut)
        {
            Assert.Equal(0, seen);
            Assert.Equal(0, records);
        }
        else
        {
            Assert.Empty(merged.SelectMany(edge => edge.Differences(page)));
            Assert.NotEqual(0, records);
        }
    }

    [Fact]
    public async Task Leaves_out_a_port()
    {
        Requires.Bpf();
        var port = RunningAgent.FreePort();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "none", "--config", Some.ConfigurationFile($"filters: {{ excludePorts: [{port}] }}"));

        foreach (var target in new[] { port, RunningAgent.FreePort() })
        {
            await Shell.RunAsync(Requires.Program("curl", "curl"), "-s", $"http://127.0.0.1:{target}/");
        }

        var page = await agent.ScrapeUntilAsync(page => Refused(page).Any(), TimeSpan.FromSeconds(8));
        Assert.Single(Refused(page));
        Assert.DoesNotContain(page.Samples, sample => sample["server_port"] == $"{port}");

        static IEnumerable<Sample> Refused(MetricPage page) => page.Of("sockwatch_socket_operations_total")
            .Where(sample => sample["process_executable_name"] == "curl" && sample["error_type"] == "connection_refused");
    }
}
