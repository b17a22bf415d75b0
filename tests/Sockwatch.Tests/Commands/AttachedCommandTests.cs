using System.Collections;
using Sockwatch.Commands;
using Sockwatch.Control;
using Sockwatch.Control.Features;
using Sockwatch.Kernel;
using Sockwatch.Tests.Control;
using Sockwatch.Tests.Exporters;
using Sockwatch.Tests.Fakes;

namespace Sockwatch.Tests.Commands;

/// <summary><c>trace</c> and <c>top</c> where an agent runs.</summary>
public sealed class AttachedCommandTests
{
    [Fact]
    public async Task A_trace_takes_its_lines_from_the_running_agent()
    {
        await using var agent = await ControlledAgent.StartAsync();
        using var run = Run(agent);

        var running = run.InvokeAsync("trace", "--count", "2", "--exe", "curl");
        await ControlledAgent.UntilAsync(() => agent.Traces.Count == 1);
        agent.Traces.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowStart));
        agent.Traces.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowUpdate));
        agent.Traces.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowEnd, operation: SocketOperation.Release));

        Assert.Equal(ExitCode.Done, await running);
        Assert.Equal(["CONNECT", "RELEASE"], Operations(run));
        Assert.Equal("", run.Error);
    }

    [Fact]
    public async Task It_ends_after_its_time_with_what_came_until_then()
    {
        await using var agent = await ControlledAgent.StartAsync();
        using var run = Run(agent);

        var running = run.InvokeAsync("trace", "--for", "400ms");
        await ControlledAgent.UntilAsync(() => agent.Traces.Count == 1);
        agent.Traces.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowStart));

        Assert.Equal(ExitCode.Done, await running);
        Assert.Equal(["CONNECT"], Operations(run));
    }

    [Fact]
    public async Task It_waits_for_an_agent_that_has_ended_and_goes_on()
    {
        var first = await ControlledAgent.StartAsync();
        using var run = Run(first);
        var running = run.InvokeAsync("trace", "--count", "2");
        await ControlledAgent.UntilAsync(() => first.Traces.Count == 1);
        first.Traces.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowStart));

        await first.DisposeAsync();
        await using var second = await ControlledAgent.StartInAsync(first.Directory);
        await ControlledAgent.UntilAsync(() => second.Traces.Count == 1);
        second.Traces.OnRecord(FlowLogSamples.Udp(RecordKind.PeerChanged));

        Assert.Equal(ExitCode.Done, await running);
        Assert.Equal(["CONNECT", "SEND"], Operations(run));
        Assert.Equal("sockwatch: the agent has ended; the trace goes on when it is back\n", run.Error);
    }

    [Fact]
    public async Task It_says_to_the_record_what_it_could_not_show()
    {
        const int Made = 20_000;
        await using var agent = await ControlledAgent.StartAsync(new ControlOptions { TraceQueueLength = 32 });
        using var run = Run(agent);
        run.Records.Stall();
        var running = run.InvokeAsync("trace");
        await ControlledAgent.UntilAsync(() => agent.Traces.Count == 1);

        for (var i = 0; i < Made; i++)
        {
            agent.Traces.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowStart));
        }

        run.Records.Continue();
        await run.Stopping.CancelAsync();

        Assert.Equal(ExitCode.Done, await running);
        var dropped = run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).Sum(line => long.Parse(line.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture));
        Assert.True(dropped > 0);
        Assert.Equal(Made, Operations(run).Length + dropped);
    }

    [Fact]
    public async Task An_agent_that_says_no_is_named_with_the_way_around_it()
    {
        await using var agent = await ControlledAgent.StartAsync(letsIn: false);
        using var run = Run(agent);

        Assert.Equal(ExitCode.Failed, await run.InvokeAsync("trace"));
        Assert.Equal("sockwatch: only root may use the control socket (--standalone traces without the agent)\n", run.Error);
    }

    [Fact]
    public async Task Standalone_leaves_the_agent_alone()
    {
        await using var agent = await ControlledAgent.StartAsync();
        using var run = new CommandRun
        {
            Environment = Environment(agent),
            Composition = new FakeComposition { Records = [FlowLogSamples.Tcp(RecordKind.FlowStart)] },
        };

        Assert.Equal(ExitCode.Done, await run.InvokeAsync("trace", "--standalone", "--count", "1"));
        Assert.Equal(1, run.Composition.Switches.Epoch);
        Assert.Equal(0, agent.Traces.Count);
    }

    [Fact]
    public async Task A_full_disk_is_a_failure_here_too()
    {
        await using var agent = await ControlledAgent.StartAsync();
        using var run = new CommandRun { Environment = Environment(agent), Records = new FakeOutput { Errno = 28 } };

        var running = run.InvokeAsync("trace");
        await ControlledAgent.UntilAsync(() => agent.Traces.Count == 1);
        agent.Traces.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowStart));

        Assert.Equal(ExitCode.Failed, await running);
        Assert.Equal("sockwatch: cannot write to standard output: No space left on device\n", run.Error);
    }

    [Fact]
    public async Task Top_takes_its_table_from_the_running_agent()
    {
        var reports = new TopTests.FakeReports(TopTests.Report(0), TopTests.Report(1, [.. Enumerable.Range(1, 450).Select(id => TopTests.Series(id, $"program-{id}", sent: 1_500))]));
        await using var agent = await ControlledAgent.StartAsync(more: new TopControl(reports, TimeProvider.System));
        using var run = Run(agent);

        Assert.Equal(ExitCode.Done, await run.InvokeAsync("top", "--once", "--interval", "100ms"));
        Assert.Equal(451, run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Contains("program-450", run.Output, StringComparison.Ordinal);
    }

    private static Hashtable Environment(ControlledAgent agent) => new() { ["SOCKWATCH__STATEDIRECTORY"] = agent.Directory };

    private static CommandRun Run(ControlledAgent agent) => new() { Environment = Environment(agent) };

    private static string[] Operations(CommandRun run) =>
        [.. run.Records.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ')[1])];
}
