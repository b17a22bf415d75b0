using System.Text;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;
using Sockwatch.Payload.Protocols;

namespace Sockwatch.Payload;

/// <summary>What a flow record says of the flow's payload. Null where there is nothing to say.</summary>
internal readonly record struct FlowPayload(string? Sent, string? Received, RecognisedProtocol? Protocol);

/// <summary>
/// The first bytes and the protocol of each flow, from when they are captured until the records of the flow are written, by whatever
/// exporter, on whatever thread. Bounded in bytes: past that the flows go whose bytes came first, and are counted.
/// </summary>
internal sealed class FlowPayloads(PayloadOptions options, PayloadList list, Redaction redaction, LossLedger losses, TimeProvider time)
{
    // An exporter whose queue is longer than this writes the record without.
    private static readonly TimeSpan KeepEnded = TimeSpan.FromMinutes(1);

    // Of the objects that hold a flow's bytes.
    private const int Overhead = 400;

    private readonly Lock _lock = new();
    private readonly Dictionary<ulong, LinkedListNode<Flow>> _flows = [];

    // The first to go first: those that ended, then those that began long ago.
    private readonly LinkedList<Flow> _open = [];
    private readonly LinkedList<Flow> _ended = [];
    private long _size;

    public long Size
    {
        get
        {
            lock (_lock)
            {
                return _size;
            }
        }
    }

    /// <summary>Adds a piece to its flow.</summary>
    /// <param name="keep">How much of this direction to keep for the record of the flow; the rest is for recognition only.</param>
    /// <param name="before">Filled with what is known to come before the piece, for patterns that began there.</param>
    /// <returns>The protocol, if this piece told it.</returns>
    public RecognisedProtocol? Add(
        in FlowRecord record, ulong sequence, NetworkDirection direction, ReadOnlySpan<byte> bytes, int keep, List<byte>? before)
    {
        lock (_lock)
        {
            var node = Find(FlowNumber.Of(in record));
            var flow = node.Value;
            var stream = direction == NetworkDirection.Transmit ? flow.Sent : flow.Received;
            if (before is not null && sequence <= (ulong)stream.Bytes.Length)
            {
                var known = stream.Bytes[..(int)sequence];
                before.AddRange(known[Math.Max(0, known.Length - Redaction.Context)..]);
            }

            _size -= flow.Size;
            var isLooking = options.RecogniseProtocols && flow.IsOpen && direction == NetworkDirection.Transmit;
            stream.Add(sequence, bytes, Math.Max(keep, isLooking ? PayloadOptions.RecogniseReach : 0));
            var found = isLooking ? Recognise(flow, record.Edge.Role == NetworkRole.Client) : null;
            flow.Kept = Math.Max(flow.Kept, keep);
            if (flow.Kept == 0 && !flow.IsOpen)
            {
                flow.Sent.Forget();
            }

            _size += flow.Size;
            MakeRoom(node);
            return found;
        }
    }

    /// <summary>The flow is over: nothing is added any more, and it stays for the exporters' sake only.</summary>
    public void End(in FlowRecord record)
    {
        lock (_lock)
        {
            if (_flows.TryGetValue(FlowNumber.Of(in record), out var node) && node.List == _open)
            {
                _open.Remove(node);
                node.Value.EndedAt = time.GetTimestamp();
                _ended.AddLast(node);
            }

            while (_ended.First is { } first && time.GetElapsedTime(first.Value.EndedAt) > KeepEnded)
            {
                Remove(first);
            }
        }
    }

    /// <summary>What there is to say in this record: of an update only what its forerunner did not.</summary>
    public FlowPayload Of(in FlowRecord record)
    {
        if (record.Kind is not (RecordKind.FlowEnd or RecordKind.FlowUpdate))
        {
            return default;
        }

        lock (_lock)
        {
            if (!_flows.TryGetValue(FlowNumber.Of(in record), out var node))
            {
                return default;
            }

            var flow = node.Value;
            if (flow.Kept == 0 || list.Decide(in record) != PayloadVerdict.Wanted)
            {
                return new FlowPayload(null, null, flow.Protocol);
            }

            return new FlowPayload(
                IsNews(in record, flow.Sent, record.ReportedBytesSent) ? Text(flow.Sent) : null,
                IsNews(in record, flow.Received, record.ReportedBytesReceived) ? Text(flow.Received) : null,
                flow.Protocol);
        }
    }

    /// <summary>Bytes as flow records show them.</summary>
    public string Encode(ReadOnlySpan<byte> bytes) =>
        options.Encoding == PayloadEncoding.Base64 ? Convert.ToBase64String(bytes) : PayloadText.Of(bytes);

    private static bool IsNews(in FlowRecord record, StreamStart stream, ulong reported) =>
        !stream.Bytes.IsEmpty && (record.Kind == RecordKind.FlowEnd || (ulong)stream.Bytes.Length > reported);

    private string Text(StreamStart stream)
    {
        var bytes = stream.Bytes[..Math.Min(stream.Bytes.Length, options.Limit)].ToArray();
        redaction.Apply(bytes);
        return Encode(bytes);
    }

    private RecognisedProtocol? Recognise(Flow flow, bool fromClient)
    {
        var outcome = ProtocolRecogniser.Recognise(flow.Sent.Bytes, fromClient, out var found);
        flow.IsOpen = outcome == Recognition.NeedsMore && flow.Sent.Bytes.Length < PayloadOptions.RecogniseReach;
        if (found is { ServerName.Length: > 0 } && redaction.IsNeeded)
        {
            var name = Encoding.ASCII.GetBytes(found.ServerName);
            redaction.Apply(name);
            found = found with { ServerName = Encoding.ASCII.GetString(name) };
        }

        return flow.Protocol = found;
    }

    private LinkedListNode<Flow> Find(ulong number)
    {
        if (!_flows.TryGetValue(number, out var node))
        {
            node = _open.AddLast(new Flow(number));
            _flows.Add(number, node);
            _size += node.Value.Size;
        }

        return node;
    }

    private void MakeRoom(LinkedListNode<Flow> newest)
    {
        while (_size > options.MemoryBytes && (_ended.First ?? _open.First) is { } first && first != newest)
        {
            if (first.Value.Kept > 0 || first.Value.Protocol is not null)
            {
                losses.Add(LossLedger.PayloadStage, LossLedger.MemoryFull);
            }

            Remove(first);
        }
    }

    private void Remove(LinkedListNode<Flow> node)
    {
        _size -= node.Value.Size;
        _flows.Remove(node.Value.Number);
        node.List!.Remove(node);
    }

    private sealed class Flow(ulong number)
    {
        public ulong Number { get; } = number;

        public StreamStart Sent { get; } = new();

        public StreamStart Received { get; } = new();

        public RecognisedProtocol? Protocol { get; set; }

        /// <summary>Its protocol may still be recognised.</summary>
        public bool IsOpen { get; set; } = true;

        /// <summary>How much of it was asked to be kept; 0 when only its protocol is of interest.</summary>
        public int Kept { get; set; }

        public long EndedAt { get; set; }

        public int Size => Overhead + Sent.Size + Received.Size;
    }
}
