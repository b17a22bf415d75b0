using Microsoft.Extensions.Hosting;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;
using Sockwatch.Reader;

namespace Sockwatch.Exporters;

/// <summary>
/// Holds records back whose names are on their way, for the seconds that news from the cluster takes; all others pass at once.
/// Records of one socket keep their order. When there are too many to hold, they go on with the names they have.
/// </summary>
internal sealed class LateNames : BackgroundService, IFlowRecordSink
{
    /// <summary>Records held at once; their room is taken only as they come.</summary>
    public const int Limit = 16_384;

    /// <summary>Pieces of payload among them.</summary>
    private const int PayloadLimit = 2048;

    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(200);

    // Naming says when waiting is over; this is for a naming that does not.
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(15);

    private readonly IFlowNaming _naming;
    private readonly IFlowRecordSink _next;
    private readonly LossLedger _losses;
    private readonly TimeProvider _time;
    private readonly int _limit;
    private readonly Lock _lock = new();
    private readonly HashSet<ulong> _sockets = [];
    private List<Held> _held = [];
    private List<Held> _stillHeld = [];
    private int _heldPayload;
    private bool _isOver;

    public LateNames(IFlowNaming naming, FlowExporters next, LossLedger losses, TimeProvider time)
        : this(naming, next, losses, time, Limit)
    {
    }

    internal LateNames(IFlowNaming naming, IFlowRecordSink next, LossLedger losses, TimeProvider time, int limit)
    {
        _naming = naming;
        _next = next;
        _losses = losses;
        _time = time;
        _limit = limit;
    }

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _held.Count;
            }
        }
    }

    // On the reader's thread.
    public void OnRecord(in FlowRecord record)
    {
        lock (_lock)
        {
            if (_isOver || !(_sockets.Contains(record.SocketCookie) || _naming.IsAwaited(in record)))
            {
                Pass(in record);
                return;
            }

            if (_held.Count >= _limit)
            {
                _losses.Add(LossLedger.EnrichmentStage, LossLedger.NamesLate, _held.Count);
                ReleaseAll();
                Pass(in record);
                return;
            }

            _held.Add(new Held(record, _time.GetTimestamp()));
            _sockets.Add(record.SocketCookie);
        }
    }

    // Behind the records of its socket, so that a connection is told of before what is sent over it.
    public void OnPayload(in FlowRecord record, PayloadPiece piece)
    {
        lock (_lock)
        {
            if (_isOver || !_sockets.Contains(record.SocketCookie))
            {
                _next.OnPayload(in record, piece);
                return;
            }

            if (_held.Count >= _limit || _heldPayload >= PayloadLimit)
            {
                _losses.Add(LossLedger.EnrichmentStage, LossLedger.NamesLate, _held.Count);
                ReleaseAll();
                _next.OnPayload(in record, piece);
                return;
            }

            _heldPayload++;
            _held.Add(new Held(record, _time.GetTimestamp(), new QueuedPayload(piece.Sequence, piece.Direction, piece.Bytes.ToArray())));
        }
    }

    /// <summary>Lets go of what has its names now, or has waited long enough.</summary>
    public void Look()
    {
        lock (_lock)
        {
            if (_held.Count == 0)
            {
                return;
            }

            _sockets.Clear();
            foreach (var held in _held)
            {
                // What stays behind keeps all that comes after it on its socket.
                if (!_sockets.Contains(held.Record.SocketCookie) && (held.Payload is not null || !IsAwaited(held)))
                {
                    HandOn(held);
                    continue;
                }

                _sockets.Add(held.Record.SocketCookie);
                _stillHeld.Add(held);
            }

            (_held, _stillHeld) = (_stillHeld, _held);
            _stillHeld.Clear();
        }
    }

    // The reader has ended by now: what is held is all there is.
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken).ConfigureAwait(false);
        lock (_lock)
        {
            _isOver = true;
            ReleaseAll();
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(LookInterval, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false))
            {
                Look();
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private bool IsAwaited(in Held held) => _time.GetElapsedTime(held.Since) < LongestWait && _naming.IsAwaited(held.Record);

    private void ReleaseAll()
    {
        foreach (var held in _held)
        {
            HandOn(held);
        }

        _held.Clear();
        _sockets.Clear();
    }

    private void Pass(in FlowRecord record)
    {
        _naming.Settle(in record);
        _next.OnRecord(in record);
    }

    private void HandOn(in Held held)
    {
        if (held.Payload is not { } payload)
        {
            Pass(held.Record);
            return;
        }

        _heldPayload--;
        _next.OnPayload(held.Record, new PayloadPiece(payload.Sequence, payload.Direction, more: false, payload.Bytes));
    }

    private readonly record struct Held(FlowRecord Record, long Since, QueuedPayload? Payload = null);
}
