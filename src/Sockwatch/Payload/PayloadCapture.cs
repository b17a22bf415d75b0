using System.Runtime.InteropServices;
using Sockwatch.Kernel;
using Sockwatch.Payload.Protocols;
using Sockwatch.Reader;

namespace Sockwatch.Payload;

/// <summary>
/// Between the reader and the exporters: lets payload through only of who is on the list, up to the limit, and without what the
/// patterns match. What a call sent is looked at as a whole, with what came before it. On the reader's thread.
/// </summary>
/// <param name="strangers">Told of who is not on the list, so that the kernel need not hand it over again.</param>
internal sealed class PayloadCapture(
    PayloadOptions options,
    FlowPayloads flows,
    IPayloadList list,
    Redaction redaction,
    Action<PayloadOwner> strangers,
    Action<EdgeKey, RecognisedProtocol> recognised,
    IFlowRecordSink next) : IFlowRecordSink
{
    // Calls whose last piece has not come: a few, since a call's pieces come one after the other.
    private const int MaxHeld = 256;

    private readonly Dictionary<(ulong Flow, NetworkDirection Direction), HeldCall> _held = [];
    private readonly List<byte> _before = [];

    public void OnRecord(in FlowRecord record)
    {
        if (record.Kind == RecordKind.FlowEnd)
        {
            Release(FlowNumber.Of(in record));
            flows.End(in record);
        }

        next.OnRecord(in record);
    }

    public void OnPayload(in FlowRecord record, PayloadPiece piece)
    {
        var keep = LimitOf(in record, piece.Direction);
        var verdict = keep == 0 ? PayloadVerdict.Unwanted : list.Decide(in record);
        if (verdict == PayloadVerdict.Unwanted)
        {
            if (keep > 0 && list.IsForGood(in record))
            {
                strangers(new PayloadOwner(record.Edge.Executable, record.Edge.CgroupId));
            }

            keep = 0;
        }

        if (keep == 0 && !options.RecogniseProtocols)
        {
            return;
        }

        var isShown = verdict == PayloadVerdict.Wanted && piece.Sequence < (ulong)keep;
        _before.Clear();
        if (flows.Add(in record, piece.Sequence, piece.Direction, piece.Bytes, keep, isShown && redaction.IsNeeded ? _before : null) is { } protocol)
        {
            recognised(record.Edge, protocol);
        }

        if (isShown)
        {
            Show(in record, piece, keep);
        }
    }

    private void Show(in FlowRecord record, PayloadPiece piece, int limit)
    {
        var bytes = piece.Bytes[..(int)Math.Min((ulong)piece.Bytes.Length, (ulong)limit - piece.Sequence)];
        if (!redaction.IsNeeded)
        {
            next.OnPayload(in record, new PayloadPiece(piece.Sequence, piece.Direction, piece.More, bytes));
            return;
        }

        var key = (FlowNumber.Of(in record), piece.Direction);
        if (_held.TryGetValue(key, out var held) && held.End != piece.Sequence)
        {
            Release(key, held);
            held = null;
        }

        if (held is null)
        {
            if (_held.Count >= MaxHeld)
            {
                foreach (var (other, call) in _held)
                {
                    Release(other, call);
                }
            }

            _held.Add(key, held = new HeldCall(CollectionsMarshal.AsSpan(_before), piece.Sequence));
        }

        held.Add(in record, piece.Sequence, bytes);
        if (!piece.More || (ulong)limit <= held.End)
        {
            Release(key, held);
        }
    }

    private void Release(ulong flow)
    {
        foreach (var direction in (ReadOnlySpan<NetworkDirection>)[NetworkDirection.Transmit, NetworkDirection.Receive])
        {
            if (_held.TryGetValue((flow, direction), out var held))
            {
                Release((flow, direction), held);
            }
        }
    }

    private void Release((ulong Flow, NetworkDirection Direction) key, HeldCall held)
    {
        _held.Remove(key);
        held.Release(redaction, key.Direction, next);
    }

    private int LimitOf(in FlowRecord record, NetworkDirection direction) => options.Direction switch
    {
        PayloadDirection.Client => direction == NetworkDirection.Transmit && record.Edge.Role == NetworkRole.Client ? options.Limit : 0,
        PayloadDirection.Send => direction == NetworkDirection.Transmit ? options.Limit : 0,
        PayloadDirection.Both => options.Limit,
        _ => 0,
    };

    /// <summary>The pieces of one call, until the last is there.</summary>
    private sealed class HeldCall(ReadOnlySpan<byte> before, ulong sequence)
    {
        private readonly List<byte> _bytes = [.. before];
        private readonly int _context = before.Length;
        private readonly List<(FlowRecord Record, ulong Sequence, int Length)> _pieces = [];

        public ulong End { get; private set; } = sequence;

        public void Add(in FlowRecord record, ulong sequence, ReadOnlySpan<byte> bytes)
        {
            _pieces.Add((record, sequence, bytes.Length));
            _bytes.AddRange(bytes);
            End = sequence + (ulong)bytes.Length;
        }

        public void Release(Redaction redaction, NetworkDirection direction, IFlowRecordSink next)
        {
            var bytes = CollectionsMarshal.AsSpan(_bytes);
            redaction.Apply(bytes);
            var at = _context;
            for (var i = 0; i < _pieces.Count; i++)
            {
                var (record, sequence, length) = _pieces[i];
                next.OnPayload(in record, new PayloadPiece(sequence, direction, i + 1 < _pieces.Count, bytes.Slice(at, length)));
                at += length;
            }
        }
    }
}
