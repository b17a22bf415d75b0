using Microsoft.Extensions.Logging;
using Sockwatch.Diagnostics;
using Sockwatch.Enrichment.Kubernetes;
using Sockwatch.Kernel;
using Sockwatch.Tests.Fakes;

namespace Sockwatch.Tests.Enrichment.Kubernetes;

public sealed class ServiceBackendsTests : IConntrack
{
    private static readonly Address16 Service = Address16.Parse("10.96.0.10");
    private static readonly Endpoint Pod = new(Address16.Parse("10.78.0.2"), 9000);

    private readonly BackendLedger _ledger = new();
    private readonly CacheLedger _caches = new();
    private readonly ManualTime _time = new();
    private readonly ListLogger _log = new();
    private readonly List<Conversation> _asked = [];
    private readonly ServiceBackends _backends;
    private Endpoint? _answer = Pod;
    private int _error;

    public ServiceBackendsTests()
    {
        _backends = new ServiceBackends(this, _ledger, _caches, _time, _log);
    }

    Endpoint? IConntrack.Find(in Conversation conversation, out int error)
    {
        _asked.Add(conversation);
        error = _error;
        return _error == 0 ? _answer : null;
    }

    [Fact]
    public void The_kernel_is_asked_once_a_flow_by_the_ends_that_the_socket_has()
    {
        _backends.Ask(Record(1, RecordKind.FlowDetect));
        _backends.Ask(Record(1, RecordKind.FlowUpdate));
        _backends.Ask(Record(1, RecordKind.FlowEnd));

        Assert.Equal([new Conversation(TransportProtocol.Tcp, Address16.Parse("10.77.0.7"), 40001, Service, 80)], _asked);
        Assert.Equal(Pod, _backends.Find(Record(1, RecordKind.FlowEnd)));
        Assert.Null(_backends.Find(Record(2, RecordKind.FlowEnd)));
        Assert.Equal([1, 0, 0], _ledger.Read());
    }

    [Fact]
    public void A_socket_that_connects_anew_is_asked_about_anew_and_keeps_the_new_answer()
    {
        _backends.Ask(Record(1, RecordKind.FlowStart));
        _backends.Ask(Record(1, RecordKind.FlowEnd));
        _answer = new Endpoint(Address16.Parse("10.78.0.3"), 9000);
        _time.Advance(TimeSpan.FromSeconds(30));
        _backends.Ask(Record(1, RecordKind.FlowStart));
        _time.Advance(TimeSpan.FromSeconds(40));
        _backends.Ask(Record(2, RecordKind.FlowUpdate));

        Assert.Equal(_answer, _backends.Find(Record(1, RecordKind.FlowEnd)));
    }

    [Fact]
    public void A_new_conversation_that_the_kernel_knows_nothing_of_has_not_the_answer_of_the_old_one()
    {
        _backends.Ask(Record(1, RecordKind.FlowStart));
        _backends.Ask(Record(1, RecordKind.FlowEnd));
        _answer = null;
        _backends.Ask(Record(1, RecordKind.FlowStart));

        Assert.Null(_backends.Find(Record(1, RecordKind.FlowStart)));
    }

    [Fact]
    public void What_has_ended_is_forgotten_a_minute_later()
    {
        _backends.Ask(Record(1, RecordKind.FlowStart));
        _backends.Ask(Record(1, RecordKind.FlowEnd));
        _time.Advance(TimeSpan.FromSeconds(61));
        _backends.Ask(Record(2, RecordKind.FlowStart));

        Assert.Null(_backends.Find(Record(1, RecordKind.FlowEnd)));
    }

    [Fact]
    public void Who_answers_for_itself_is_behind_nothing()
    {
        _answer = new Endpoint(Service, 80);
        _backends.Ask(Record(1, RecordKind.FlowStart));
        _answer = null;
        _backends.Ask(Record(2, RecordKind.FlowStart));

        Assert.Null(_backends.Find(Record(1, RecordKind.FlowStart)));
        Assert.Equal([0, 2, 0], _ledger.Read());
    }

    [Fact]
    public void A_kernel_that_does_not_let_ask_is_named_once_and_asked_again_later()
    {
        _error = 1;
        for (ulong socket = 1; socket <= 100; socket++)
        {
            _backends.Ask(Record(socket, RecordKind.FlowStart));
        }

        Assert.Single(_asked);
        Assert.Equal([0, 0, 100], _ledger.Read());
        Assert.Contains("CAP_NET_ADMIN", Assert.Single(_log.Lines));

        _error = 0;
        _time.Advance(TimeSpan.FromSeconds(11));
        _backends.Ask(Record(101, RecordKind.FlowStart));
        Assert.Equal(2, _log.Lines.Count);
        Assert.Equal(Pod, _backends.Find(Record(101, RecordKind.FlowStart)));
    }

    [Fact]
    public void There_is_room_for_so_many_and_what_is_pushed_out_is_counted()
    {
        for (ulong socket = 1; socket <= 3 * ServiceBackends.Limit; socket++)
        {
            _backends.Ask(Record(socket, RecordKind.FlowStart));
        }

        var kept = Enumerable.Range(1, 3 * ServiceBackends.Limit).Count(socket => _backends.Find(Record((ulong)socket, RecordKind.FlowEnd)) is not null);
        Assert.InRange(kept, 1, ServiceBackends.Limit);
        Assert.True(Assert.Single(_caches.Read(), cache => cache.Cache == "backends").Evictions >= ServiceBackends.Limit);
    }

    private static FlowRecord Record(ulong socket, RecordKind kind) => new()
    {
        SocketCookie = socket, Kind = kind, LocalAddress = Address16.Parse("10.77.0.7"), LocalPort = 40001, RemotePort = 80,
        Edge = new EdgeKey { PeerAddress = Service, ServerPort = 80, Transport = TransportProtocol.Tcp, NetworkType = 4, Role = NetworkRole.Client },
    };

    private sealed class ListLogger : ILogger<ServiceBackends>
    {
        public List<string> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Lines.Add(formatter(state, exception));
    }
}
