using System.Runtime.InteropServices;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters;

/// <summary>What a flow has counted: since it started, or since it was last reported.</summary>
internal readonly record struct FlowCounts(ulong BytesSent, ulong BytesReceived, ulong Sends, ulong Receives)
{
    public static FlowCounts Of(in FlowRecord record) => new(record.BytesSent, record.BytesReceived, record.Sends, record.Receives);

    // Two flushes of one socket can race, so that a total comes out a little older than the last one.
    public FlowCounts Since(in FlowCounts earlier) => new(
        Growth(BytesSent, earlier.BytesSent),
        Growth(BytesReceived, earlier.BytesReceived),
        Growth(Sends, earlier.Sends),
        Growth(Receives, earlier.Receives));

    private static ulong Growth(ulong now, ulong before) => now > before ? now - before : 0;
}

/// <summary>
/// Remembers what each flow's last update said. Bounded: flows not updated for longest are forgotten first, whose next
/// update then has no difference.
/// </summary>
internal sealed class FlowLogDeltas(int maxFlows)
{
    private readonly int _generationLength = Math.Max(1, maxFlows / 2);
    private Dictionary<ulong, FlowCounts> _recent = [];
    private Dictionary<ulong, FlowCounts> _older = [];
    private bool _forgetting;

    /// <summary>The growth since the last update, or since the start; null when the last update is forgotten.</summary>
    public FlowCounts? Update(in FlowRecord record)
    {
        var flow = FlowLogIdentity.Flow(in record);
        var now = FlowCounts.Of(in record);
        if (_recent.Count >= _generationLength && !_recent.ContainsKey(flow))
        {
            _forgetting |= _older.Count > 0;
            (_older, _recent) = (_recent, _older);
            _recent.Clear();
        }

        ref var last = ref CollectionsMarshal.GetValueRefOrAddDefault(_recent, flow, out var known);
        var before = last;
        last = now;
        if (!known && !_older.Remove(flow, out before) && _forgetting)
        {
            return null;
        }

        return now.Since(before);
    }

    public void Remove(in FlowRecord record)
    {
        var flow = FlowLogIdentity.Flow(in record);
        _recent.Remove(flow);
        _older.Remove(flow);
    }
}
