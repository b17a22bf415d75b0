using System.Runtime.InteropServices;
using Sockwatch.Bpf;
using Sockwatch.Kernel;

namespace Sockwatch.Reader;

/// <summary>
/// UDP conversations other than a socket's first one live in a map of their own. This ends them, when their socket is
/// released or they fall silent, and reports those that go on. Bounded by the map: what it remembers is one entry each.
/// </summary>
internal sealed class UdpConversations
{
    private const uint Everybody = 0;

    private readonly SteadyReading _steadily;
    private readonly BpfMap<UdpFlowKey, UdpFlow> _flowMap;
    private readonly BpfMap<ulong, ulong> _releasedMap;
    private readonly MapBatches<UdpFlowKey, UdpFlow> _flows;
    private readonly MapBatches<ulong, ulong> _releasedSockets;
    private readonly BpfMap<uint, ulong> _shareMap;
    private readonly Dictionary<ulong, ulong> _released = [];
    private readonly Dictionary<uint, ulong> _shares = [];
    private readonly HashSet<uint> _changedShares = [];
    private readonly List<UdpFlowKey> _ended = [];
    private readonly Dictionary<(ulong Cookie, Address16 Peer, ushort Port), Counts> _reported = [];

    public UdpConversations(KernelPrograms programs)
    {
        _steadily = programs.Steadily;
        _flowMap = programs.Object.Map<UdpFlowKey, UdpFlow>("udp_flows");
        _shareMap = programs.Object.Map<uint, ulong>("process_udp_flows");
        _releasedMap = programs.Object.Map<ulong, ulong>("released_udp_sockets");
        _flows = new MapBatches<UdpFlowKey, UdpFlow>(_flowMap);
        _releasedSockets = new MapBatches<ulong, ulong>(_releasedMap);
    }

    /// <summary>Whether a socket that has such conversations was released since the last pass.</summary>
    public bool HasReleased()
    {
        using var steadily = _steadily.Begin();
        return _releasedMap.TryFirstKey(out _);
    }

    /// <summary>One pass over all of them.</summary>
    /// <param name="nowNs">CLOCK_BOOTTIME.</param>
    /// <param name="idle">Silence after which a conversation has ended.</param>
    /// <param name="report">Whether those that go on are to be reported too.</param>
    public void Read(ulong nowNs, TimeSpan idle, bool report, IFlowRecordSink sink)
    {
        using var steadily = _steadily.Begin();

        // Before the conversations: one that begins after this has a socket that is not in the list.
        _released.Clear();
        for (_releasedSockets.Restart(); _releasedSockets.ReadNext();)
        {
            for (var i = 0; i < _releasedSockets.Keys.Length; i++)
            {
                _released[_releasedSockets.Keys[i]] = _releasedSockets.Values[i];
            }
        }

        var idleNs = (ulong)(idle.TotalMilliseconds * 1_000_000);
        _ended.Clear();
        _shares.Clear();
        _changedShares.Clear();
        for (_flows.Restart(); _flows.ReadNext();)
        {
            for (var i = 0; i < _flows.Keys.Length; i++)
            {
                ref readonly var key = ref _flows.Keys[i];
                ref readonly var flow = ref _flows.Values[i];
                CollectionsMarshal.GetValueRefOrAddDefault(_shares, flow.Pid, out _)++;
                if (_released.TryGetValue(key.SocketCookie, out var releasedAt))
                {
                    End(key, flow, releasedAt, FlowEndReason.LocalClose, sink);
                }
                else if (nowNs > flow.LastUsedNs && nowNs - flow.LastUsedNs > idleNs)
                {
                    End(key, flow, flow.LastUsedNs, FlowEndReason.Idle, sink);
                }
                else if (report && flow.Ignored == 0)
                {
                    ref var reported = ref CollectionsMarshal.GetValueRefOrAddDefault(
                        _reported, (key.SocketCookie, key.PeerAddress, key.PeerPort), out _);
                    sink.OnRecord(RecordOf(key, flow, RecordKind.FlowUpdate, FlowEndReason.None, nowNs, reported));
                    reported = new Counts(flow.BytesSent, flow.BytesReceived, flow.Sends, flow.Receives);
                }
            }
        }

        _flowMap.DeleteBatch(CollectionsMarshal.AsSpan(_ended));
        SetShares();
        foreach (var cookie in _released.Keys)
        {
            _releasedMap.Delete(cookie);
        }
    }

    /// <summary>The programs count what they add; what is left of it they learn here.</summary>
    private void SetShares()
    {
        foreach (var pid in _changedShares)
        {
            if (_shares[pid] == 0)
            {
                _shareMap.Delete(pid);
            }
            else if (_shareMap.TryLookup(pid, out _))
            {
                _shareMap.Update(pid, _shares[pid]);
            }
        }

        if (_changedShares.Count > 0)
        {
            _shareMap.Update(Everybody, _shares.Values.Aggregate(0UL, (sum, flows) => sum + flows));
        }
    }

    private void End(in UdpFlowKey key, in UdpFlow flow, ulong atNs, FlowEndReason reason, IFlowRecordSink sink)
    {
        _ended.Add(key);
        _changedShares.Add(flow.Pid);
        CollectionsMarshal.GetValueRefOrAddDefault(_shares, flow.Pid, out _)--;
        _reported.Remove((key.SocketCookie, key.PeerAddress, key.PeerPort), out var reported);
        if (flow.Ignored == 0)
        {
            sink.OnRecord(RecordOf(key, flow, RecordKind.FlowEnd, reason, atNs, reported));
        }
    }

    /// <summary>How far a conversation has come, for somebody who only looks.</summary>
    public static FlowRecord Look(in UdpFlowKey key, in UdpFlow flow) =>
        RecordOf(key, flow, RecordKind.FlowUpdate, FlowEndReason.None, flow.LastUsedNs, default);

    private static FlowRecord RecordOf(
        in UdpFlowKey key, in UdpFlow flow, RecordKind kind, FlowEndReason reason, ulong atNs, in Counts reported) => new()
        {
            AtNs = atNs,
            StartedAtNs = flow.StartedAtNs,
            SocketCookie = key.SocketCookie,
            ProcessStartedAtNs = flow.ProcessStartedAtNs,
            BytesSent = flow.BytesSent,
            BytesReceived = flow.BytesReceived,
            Sends = flow.Sends,
            Receives = flow.Receives,
            ReportedBytesSent = reported.BytesSent,
            ReportedBytesReceived = reported.BytesReceived,
            ReportedSends = reported.Sends,
            ReportedReceives = reported.Receives,
            Edge = flow.Edge,
            Pid = flow.Pid,
            Uid = flow.Uid,
            ParentPid = flow.ParentPid,
            LocalPort = flow.LocalPort,
            RemotePort = key.PeerPort,
            LocalAddress = flow.LocalAddress,
            Kind = kind,
            EndReason = reason,
            Attribution = flow.Attribution,
            // Not a release: the socket's own record tells that, once.
            Operation = SocketOperation.Send,
        };

    private readonly record struct Counts(ulong BytesSent, ulong BytesReceived, ulong Sends, ulong Receives);
}
