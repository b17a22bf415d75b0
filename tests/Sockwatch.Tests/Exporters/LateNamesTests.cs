using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters;
using Sockwatch.Kernel;
using Sockwatch.Reader;
using Sockwatch.Tests.Fakes;

namespace Sockwatch.Tests.Exporters;

public sealed class LateNamesTests : IFlowNaming, IFlowRecordSink
{
    private readonly ManualTime _time = new();
    private readonly LossLedger _losses = new();
    private readonly HashSet<ulong> _awaited = [];
    private readonly List<(ulong Socket, RecordKind Kind)> _passed = [];

    [Fact]
    public void Records_whose_names_are_known_pass_at_once()
    {
        using var late = Late();

        late.OnRecord(Record(1, RecordKind.FlowStart));

        Assert.Equal([(1UL, RecordKind.FlowStart)], _passed);
    }

    [Fact]
    public void Records_wait_for_their_names_and_those_of_one_socket_keep_their_order()
    {
        using var late = Late();
        _awaited.Add(1);
        late.OnRecord(Record(1, RecordKind.FlowStart));
        late.OnRecord(Record(2, RecordKind.FlowStart));
        late.Look();
        _awaited.Clear();
        late.OnRecord(Record(1, RecordKind.FlowEnd));
        Assert.Equal([(2UL, RecordKind.FlowStart)], _passed);

        late.Look();

        Assert.Equal([(2UL, RecordKind.FlowStart), (1UL, RecordKind.FlowStart), (1UL, RecordKind.FlowEnd)], _passed);
        Assert.Equal(0, late.Count);
    }

    [Fact]
    public void Nobody_waits_for_ever()
    {
        using var late = Late();
        _awaited.Add(1);
        late.OnRecord(Record(1, RecordKind.FlowStart));
        _time.Advance(TimeSpan.FromSeconds(14));
        late.Look();
        Assert.Empty(_passed);

        _time.Advance(TimeSpan.FromSeconds(2));
        late.Look();

        Assert.Single(_passed);
    }

    [Fact]
    public void Those_that_are_too_many_go_on_without_and_are_counted()
    {
        using var late = Late(limit: 3);
        for (var socket = 1UL; socket <= 4; socket++)
        {
            _awaited.Add(socket);
            late.OnRecord(Record(socket, RecordKind.FlowStart));
        }

        Assert.Equal([1UL, 2UL, 3UL, 4UL], _passed.Select(record => record.Socket));
        Assert.Equal(3, _losses.Read().Single(loss => loss.Reason == LossLedger.NamesLate).Count);
    }

    [Fact]
    public async Task Whatever_is_held_goes_on_when_the_agent_ends()
    {
        using var late = Late();
        _awaited.Add(1);
        late.OnRecord(Record(1, RecordKind.FlowStart));

        await late.StopAsync(CancellationToken.None);
        late.OnRecord(Record(1, RecordKind.FlowEnd));

        Assert.Equal([(1UL, RecordKind.FlowStart), (1UL, RecordKind.FlowEnd)], _passed);
    }

    void IFlowRecordSink.OnRecord(in FlowRecord record) => _passed.Add((record.SocketCookie, record.Kind));

    EdgeAttributes IFlowNaming.Name(in FlowRecord record) => Some.Attributes();

    bool IFlowNaming.IsAwaited(in FlowRecord record) => _awaited.Contains(record.SocketCookie);

    string? IFlowNaming.ExecutablePath(ulong id) => null;

    string? IFlowNaming.ContainerId(ulong cgroupId) => null;

    PodNames? IFlowNaming.Pod(ulong cgroupId) => null;

    private static FlowRecord Record(ulong socket, RecordKind kind) => new() { SocketCookie = socket, Kind = kind };

    private LateNames Late(int limit = LateNames.Limit) => new(this, this, _losses, _time, limit);
}
