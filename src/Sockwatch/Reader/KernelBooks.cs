using Sockwatch.Bpf;
using Sockwatch.Kernel;

namespace Sockwatch.Reader;

/// <summary>What the kernel side keeps of processes and sockets, for people who look after it.</summary>
internal interface IKernelBooks
{
    /// <summary>Live processes that have used a socket.</summary>
    IReadOnlyList<(uint Pid, ProcessIdentity Process)> Processes(int most);

    /// <summary>Open sockets, each as a record of how far it has come; of UDP sockets with several peers, each conversation.</summary>
    IReadOnlyList<FlowRecord> Sockets(int most);
}

internal sealed class KernelBooks(KernelPrograms programs, FlowReports reports) : IKernelBooks
{
    private const byte LeftOutByFilter = 1;

    private readonly MapBatches<uint, ProcessIdentity> _processes = new(programs.Object.Map<uint, ProcessIdentity>("processes"));
    private readonly MapBatches<UdpFlowKey, UdpFlow> _conversations = new(programs.Object.Map<UdpFlowKey, UdpFlow>("udp_flows"));
    private readonly BpfMap<ulong, ulong> _released = programs.Object.Map<ulong, ulong>("released_udp_sockets");

    public IReadOnlyList<(uint Pid, ProcessIdentity Process)> Processes(int most)
    {
        using var steadily = programs.Steadily.Begin();
        var processes = new List<(uint, ProcessIdentity)>();
        for (_processes.Restart(); processes.Count < most && _processes.ReadNext();)
        {
            for (var i = 0; i < _processes.Keys.Length && processes.Count < most; i++)
            {
                processes.Add((_processes.Keys[i], _processes.Values[i]));
            }
        }

        return processes;
    }

    public IReadOnlyList<FlowRecord> Sockets(int most)
    {
        var sockets = new First(most);
        reports.Look(sockets);
        using var steadily = programs.Steadily.Begin();
        for (_conversations.Restart(); sockets.Records.Count < most && _conversations.ReadNext();)
        {
            for (var i = 0; i < _conversations.Keys.Length; i++)
            {
                ref readonly var flow = ref _conversations.Values[i];
                if (flow.Ignored != LeftOutByFilter && !_released.TryLookup(_conversations.Keys[i].SocketCookie, out _))
                {
                    sockets.OnRecord(UdpConversations.Look(_conversations.Keys[i], flow));
                }
            }
        }

        return sockets.Records;
    }

    private sealed class First(int most) : IFlowRecordSink
    {
        public List<FlowRecord> Records { get; } = [];

        public void OnRecord(in FlowRecord record)
        {
            if (Records.Count < most)
            {
                Records.Add(record);
            }
        }
    }
}
