using Microsoft.Extensions.Logging;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Enrichment.Kubernetes;

/// <summary>
/// Who is behind the services that sockets talk to, by the kernel's connection tracking, which sends each conversation with a service to
/// one of its pods. Asked once a flow, while the kernel still knows. Any thread may call it.
/// </summary>
internal sealed partial class ServiceBackends : IServiceBackends
{
    /// <summary>Flows remembered at once.</summary>
    public const int Limit = 65_536;

    // The last records of a flow may wait in queues for a while.
    private static readonly TimeSpan KeepEnded = TimeSpan.FromMinutes(1);

    // Whom the kernel does not let ask need not ask for every flow.
    private static readonly TimeSpan PauseAfterFailure = TimeSpan.FromSeconds(10);

    private readonly IConntrack _conntrack;
    private readonly BackendLedger _ledger;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private readonly BoundedCache<Flow, Known> _known = new(Limit);
    private readonly Queue<(Flow Flow, Known Known, long At)> _ended = [];
    private long _failedAt;
    private bool _isFailing;

    public ServiceBackends(IConntrack conntrack, BackendLedger ledger, CacheLedger caches, TimeProvider time, ILogger<ServiceBackends> logger)
    {
        _conntrack = conntrack;
        _ledger = ledger;
        _time = time;
        _logger = logger;
        caches.Follow("backends", () => _known.Evictions);
    }

    /// <summary>Finds out, at the first record of a client's flow with a service, whom it really talks to; and forgets it after the last.</summary>
    public void Ask(in FlowRecord record)
    {
        var flow = new Flow(record.SocketCookie, record.Edge.PeerAddress, record.RemotePort);
        lock (_lock)
        {
            ForgetEnded();
            var isAsked = record.Kind == RecordKind.FlowStart
                || (record.Kind is RecordKind.FlowFailed or RecordKind.FlowDetect && !_known.TryGet(flow, out _));
            if (isAsked && AskKernel(record) is { } backend)
            {
                _known.Add(flow, new Known(backend));
            }
            else if (record.Kind == RecordKind.FlowStart)
            {
                // What was known is of the socket's last conversation with the same service.
                _known.Remove(flow);
            }

            if (record.Kind is RecordKind.FlowEnd or RecordKind.FlowFailed && _known.TryGet(flow, out var known))
            {
                _ended.Enqueue((flow, known, _time.GetTimestamp()));
            }
        }
    }

    /// <summary>Null when nobody is known to be behind the peer, such as where the peer is no service.</summary>
    public Endpoint? Find(in FlowRecord record)
    {
        lock (_lock)
        {
            return _known.TryGet(new Flow(record.SocketCookie, record.Edge.PeerAddress, record.RemotePort), out var known) ? known.Backend : null;
        }
    }

    private Endpoint? AskKernel(in FlowRecord record)
    {
        if (_isFailing && _time.GetElapsedTime(_failedAt) < PauseAfterFailure)
        {
            _ledger.Count(BackendOutcome.Failed);
            return null;
        }

        var edge = record.Edge;
        var peer = new Endpoint(edge.PeerAddress, record.RemotePort);
        var replier = _conntrack.Find(new Conversation(edge.Transport, record.LocalAddress, record.LocalPort, peer.Address, peer.Port), out var error);
        if (error != 0)
        {
            _failedAt = _time.GetTimestamp();
            if (!_isFailing)
            {
                _isFailing = true;
                Log.CannotAsk(_logger, ConntrackTrouble.Reason(error), ConntrackTrouble.Fix(error));
            }

            _ledger.Count(BackendOutcome.Failed);
            return null;
        }

        if (_isFailing)
        {
            _isFailing = false;
            Log.CanAsk(_logger);
        }

        var backend = replier == peer ? null : replier;
        _ledger.Count(backend is null ? BackendOutcome.Unknown : BackendOutcome.Found);
        return backend;
    }

    private void ForgetEnded()
    {
        while (_ended.TryPeek(out var oldest) && (_ended.Count > Limit || _time.GetElapsedTime(oldest.At) >= KeepEnded))
        {
            // Unless the socket has begun to talk to the same peer again.
            _ended.Dequeue();
            if (_known.TryGet(oldest.Flow, out var known) && known == oldest.Known)
            {
                _known.Remove(oldest.Flow);
            }
        }
    }

    private readonly record struct Flow(ulong Socket, Address16 Peer, ushort Port);

    /// <summary>Each is itself: two answers that say the same are two.</summary>
    private sealed class Known(Endpoint backend)
    {
        public Endpoint Backend => backend;
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "Who is behind a service cannot be told (kubernetes.serviceBackends): {Reason}. To mend it, {Fix}")]
        public static partial void CannotAsk(ILogger logger, string reason, string fix);

        [LoggerMessage(LogLevel.Information, "Who is behind a service can be told again")]
        public static partial void CanAsk(ILogger logger);
    }
}
