using Sockwatch.KernelTests.Agents;
using Sockwatch.Tests.Exporters.Otlp;

namespace Sockwatch.KernelTests.Faces;

/// <summary>A real cgroup is removed after its processes ended.</summary>
public sealed class DeletedOwnerTests(ITestOutputHelper output)
{
    private const string Unified = "/sys/fs/cgroup/unified";
    private const string OnlyUnified = "/sys/fs/cgroup";

    [Fact]
    public async Task Series_of_a_removed_cgroup_leave_both_faces_long_before_silent_ones()
    {
        Requires.Bpf();
        var root = Directory.Exists(Unified) ? Unified : OnlyUnified;
        var unit = Directory.CreateDirectory(Path.Combine(root, $"sockwatch-test-{Environment.ProcessId}.service"));
        await using var receiver = await OtlpReceiver.StartAsync(grpc: true);
        await using var agent = await RunningAgent.StartAsync(
            "--flow-log", "none", "--otlp-endpoint", receiver.Endpoint,
            "--config", Some.ConfigurationFile("aggregation: { ownerTtl: 2s }\notlp: { interval: 500ms }\ncollection: { interval: 1s }\n"));
        try
        {
            var run = await Shell.RunAsync("/bin/sh", "-c", $"echo $$ > {unit.FullName}/cgroup.procs && exec {Repository.Load("peers")} --count 1 --bytes 1234");
            Assert.SkipWhen(run.ExitCode != 0, $"no process can be put into a cgroup of {root}: {run.Errors.Trim()}");
            var page = await agent.ScrapeUntilAsync(page => Of(page) == 1234, TimeSpan.FromSeconds(10));
            Assert.Equal(1234, Of(page));
            for (var patience = 0; patience < 50 && !receiver.Points.Any(IsOfUnit); patience++)
            {
                await Task.Delay(200);
            }

            Assert.True(receiver.Points.Any(IsOfUnit), "nothing of the unit was pushed");
        }
        finally
        {
            unit.Delete();
        }

        var gone = await agent.ScrapeUntilAsync(page => Of(page) == 0, TimeSpan.FromSeconds(30));
        Assert.Equal(0, Of(gone));
        Assert.True(gone.Sum("sockwatch_series_retired_bytes_total") >= 1234);
        for (var patience = 0; patience < 50 && !receiver.Ends.Any(IsOfUnit); patience++)
        {
            await Task.Delay(200);
        }

        Assert.True(receiver.Ends.Any(IsOfUnit), "the unit's series was not ended");
        output.WriteLine($"{unit.Name}: gone from the page and ended by OTLP, its 1234 B in sockwatch_series_retired_bytes_total");

        bool IsOfUnit(OtlpPoint point) => point.Name == "sockwatch.socket.io" && point.Attributes.GetValueOrDefault("workload.name") == unit.Name;

        double Of(MetricPage page) => page.Sum("sockwatch_socket_io_bytes_total", ("workload_name", unit.Name));
    }
}
