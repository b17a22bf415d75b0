using Sockwatch.Kernel;
using Sockwatch.Reader;

namespace Sockwatch.Tests.Fakes;

/// <summary>What can be switched in the kernel, without one.</summary>
internal sealed class FakeSwitches : IKernelSwitches
{
    private int _traces;
    private ushort _epoch;

    public bool IgnoreLoopback { get; set; }

    public bool IgnoreIpv6 { get; set; }

    public WantedRecords FlowRecords { get; init; }

    public bool EmitsFlowRecords => FlowRecords == WantedRecords.All || Traces > 0;

    public int Traces => Volatile.Read(ref _traces);

    public ushort Epoch => _epoch;

    public ushort BeginTrace()
    {
        Interlocked.Increment(ref _traces);
        return ++_epoch;
    }

    public void EndTrace() => Interlocked.Decrement(ref _traces);
}

/// <summary>Parents by pid.</summary>
internal sealed class FakeLineage(params (uint Pid, uint Parent)[] parents) : IProcessLineage
{
    private readonly Dictionary<uint, uint> _parents = parents.ToDictionary(pair => pair.Pid, pair => pair.Parent);

    public bool DescendsFrom(uint pid, ulong startedAtNs, uint parentPid, IReadOnlyList<uint> ancestors)
    {
        for (var next = pid; _parents.TryGetValue(next, out var parent); next = parent)
        {
            if (ancestors.Contains(parent))
            {
                return true;
            }
        }

        return false;
    }
}

internal sealed class FakeBooks : IKernelBooks
{
    public List<(uint Pid, ProcessIdentity Process)> AllProcesses { get; } = [];

    public List<FlowRecord> AllSockets { get; } = [];

    public IReadOnlyList<(uint Pid, ProcessIdentity Process)> Processes(int most) => [.. AllProcesses.Take(most)];

    public IReadOnlyList<FlowRecord> Sockets(int most) => [.. AllSockets.Take(most)];
}
