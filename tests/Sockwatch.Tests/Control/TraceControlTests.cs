using System.Text;
using Sockwatch.Control;
using Sockwatch.Exporters.Trace;
using Sockwatch.Kernel;
using Sockwatch.Tests.Exporters;
using Sockwatch.Tests.Fakes;

namespace Sockwatch.Tests.Control;

public sealed class TraceControlTests
{
    private static readonly TraceArguments Everything = new("text", TraceChoice.Everything);

    [Fact]
    public async Task Records_come_to_every_trace_as_lines()
    {
        var switches = new FakeSwitches();
        await using var agent = await ControlledAgent.StartInAsync(Directory.CreateTempSubdirectory("control-").FullName, switches);
        using var one = await Trace.StartAsync(agent, Everything);
        using var other = await Trace.StartAsync(agent, Everything with { Format = "json" });
        await ControlledAgent.UntilAsync(() => agent.Traces.Count == 2 && switches.Traces == 2);

        agent.Traces.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowStart));
        agent.Traces.OnRecord(FlowLogSamples.Udp(RecordKind.PeerChanged));

        Assert.Equal(2, (await one.StopAsync()).Lines);
        Assert.Equal(1, (await other.StopAsync()).Lines);
        Assert.Equal(["CONNECT", "SEND"], one.Lines.Select(line => line.Split(' ')[1]));
        Assert.Contains("\"event.name\":\"flow.start\"", other.Text, StringComparison.Ordinal);
        await ControlledAgent.UntilAsync(() => agent.Use is { Traces: 0, Clients: 0 } && switches.Traces == 0);
    }

    [Fact]
    public async Task What_a_slow_reader_misses_is_counted_to_the_record()
    {
        const int Made = 50_000;
        await using var agent = await ControlledAgent.StartAsync(new ControlOptions { TraceQueueLength = 64 });
        using var trace = await Trace.StartAsync(agent, Everything);
        await ControlledAgent.UntilAsync(() => agent.Traces.Count == 1);
        trace.Gate.Reset();

        for (var i = 0; i < Made; i++)
        {
            agent.Traces.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowStart));
        }

        trace.Gate.Set();
        var end = await trace.StopAsync();

        Assert.InRange(end.Losses.Items, 1, Made - 64);
        Assert.Equal(Made, trace.Lines.Length + end.Losses.Items);
        Assert.Equal(trace.Lines.Length, end.Lines);
        Assert.Equal(end.Losses.Items, agent.Losses.Read().Single(loss => loss is { Stage: "trace", Reason: "queue_full" }).Count);
    }

    [Fact]
    public async Task What_is_not_chosen_is_never_dropped()
    {
        await using var agent = await ControlledAgent.StartAsync(new ControlOptions { TraceQueueLength = 16 });
        using var trace = await Trace.StartAsync(agent, Everything with { Choice = new TraceChoice { Protocols = ["udp"] } });
        await ControlledAgent.UntilAsync(() => agent.Traces.Count == 1);
        trace.Gate.Reset();

        for (var i = 0; i < 10_000; i++)
        {
            agent.Traces.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowStart));
            agent.Traces.OnRecord(FlowLogSamples.Udp(RecordKind.FlowUpdate)); // has no line
        }

        trace.Gate.Set();
        Assert.Equal(new TraceEnd(0, new StreamLosses(0, 0)), await trace.StopAsync());
    }

    [Fact]
    public async Task It_ends_after_the_lines_asked_for()
    {
        await using var agent = await ControlledAgent.StartAsync();
        using var trace = await Trace.StartAsync(agent, Everything with { MaxLines = 2 });
        await ControlledAgent.UntilAsync(() => agent.Traces.Count == 1);

        for (var i = 0; i < 5; i++)
        {
            agent.Traces.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowStart));
        }

        Assert.Equal(2, (await trace.End).Lines);
        Assert.Equal(2, trace.Lines.Length);
    }

    [Fact]
    public async Task An_agent_that_ends_sends_what_it_has()
    {
        var agent = await ControlledAgent.StartAsync();
        using var trace = await Trace.StartAsync(agent, Everything);
        await ControlledAgent.UntilAsync(() => agent.Traces.Count == 1);
        agent.Traces.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowStart));

        await agent.DisposeAsync();

        Assert.Equal(1, (await trace.End).Lines);
        Assert.Single(trace.Lines);
    }

    [Fact]
    public async Task A_client_that_goes_takes_its_trace_along()
    {
        await using var agent = await ControlledAgent.StartAsync();
        using (await Trace.StartAsync(agent, Everything))
        {
            await ControlledAgent.UntilAsync(() => agent.Traces.Count == 1);
        }

        await ControlledAgent.UntilAsync(() => agent.Use is { Traces: 0, Clients: 0 });
    }

    [Fact]
    public async Task There_is_a_limit_to_traces()
    {
        await using var agent = await ControlledAgent.StartAsync(new ControlOptions { MaxTraces = 1 });
        using var first = await Trace.StartAsync(agent, Everything);
        await ControlledAgent.UntilAsync(() => agent.Traces.Count == 1);

        using var second = await Trace.StartAsync(agent, Everything);

        var failure = await Assert.ThrowsAsync<ControlException>(() => second.End);
        Assert.Equal("1 traces are running already; end one, or raise control.maxTraces", failure.Message);
    }

    [Theory]
    [InlineData("xml", null, "the format of a trace is text or json")]
    [InlineData("text", 0L, "a trace has at least one line")]
    public async Task Nonsense_is_refused(string format, long? maxLines, string message)
    {
        await using var agent = await ControlledAgent.StartAsync();
        using var trace = await Trace.StartAsync(agent, new TraceArguments(format, TraceChoice.Everything, maxLines));

        Assert.Equal(message, (await Assert.ThrowsAsync<ControlException>(() => trace.End)).Message);
    }

    /// <summary>A client that reads when its gate is open.</summary>
    private sealed class Trace : ItemReader<string>, IDisposable
    {
        private readonly ControlClient _client;
        private readonly CancellationTokenSource _stopping = new();
        private readonly MemoryStream _text = new();

        private Trace(ControlClient client, TraceArguments arguments)
        {
            _client = client;
            End = Task.Run(() => client.ReadAsync(ControlRequests.Trace, arguments, this, _stopping.Token, CancellationToken.None));
        }

        public ManualResetEventSlim Gate { get; } = new(true);

        public Task<TraceEnd> End { get; }

        public string Text => Encoding.UTF8.GetString(_text.ToArray());

        public string[] Lines => Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);

        public static async Task<Trace> StartAsync(ControlledAgent agent, TraceArguments arguments) => new(await agent.ClientAsync(), arguments);

        public override void OnText(ReadOnlySpan<byte> lines)
        {
            Gate.Wait();
            _text.Write(lines);
        }

        public async Task<TraceEnd> StopAsync()
        {
            await _stopping.CancelAsync();
            return await End.WaitAsync(TimeSpan.FromSeconds(20));
        }

        public void Dispose()
        {
            _client.Dispose();
            _stopping.Dispose();
            Gate.Dispose();
            _text.Dispose();
        }
    }
}
