using Sockwatch.Bpf;

namespace Sockwatch.Kernel;

/// <summary>What the programs do that can be changed while they run.</summary>
internal interface IKernelSwitches
{
    /// <summary>Of sockets and flows that begin from now on; the others stay as they are, so that what is open is closed.</summary>
    bool IgnoreLoopback { get; set; }

    bool IgnoreIpv6 { get; set; }

    /// <summary>Which somebody wants whenever there are any, traces or not.</summary>
    WantedRecords FlowRecords { get; }

    /// <summary>Whether somebody wants all of them now.</summary>
    bool EmitsFlowRecords { get; }

    /// <summary>From now on the kernel tells all that a trace shows.</summary>
    /// <returns>What tells, of a repeated record, whether the trace has seen the first: see <see cref="FlowRecord.RepeatedSince"/>.</returns>
    ushort BeginTrace();

    /// <summary>Once for each <see cref="BeginTrace"/>.</summary>
    void EndTrace();
}

/// <summary>Variables that the programs look at once a socket or flow, and one that is asked by each datagram while it is 0.</summary>
internal sealed class KernelSwitches : IKernelSwitches
{
    private readonly Lock _lock = new();
    private readonly GlobalVariable<byte> _ignoreLoopback;
    private readonly GlobalVariable<byte> _ignoreIpv6;
    private readonly GlobalVariable<byte> _emitFlowRecords;
    private readonly GlobalVariable<ushort> _traceEpoch;
    private ushort _epoch;
    private int _traces;

    public KernelSwitches(KernelPrograms programs, KernelUse use)
    {
        FlowRecords = use.FlowRecords;
        _ignoreLoopback = programs.Object.GlobalVariable<byte>("ignore_loopback");
        _ignoreIpv6 = programs.Object.GlobalVariable<byte>("ignore_ipv6");
        _emitFlowRecords = programs.Object.GlobalVariable<byte>("emit_flow_records");
        _traceEpoch = programs.Object.GlobalVariable<ushort>("trace_epoch");
    }

    public bool IgnoreLoopback
    {
        get => _ignoreLoopback.Value != 0;
        set => _ignoreLoopback.Value = value ? (byte)1 : (byte)0;
    }

    public bool IgnoreIpv6
    {
        get => _ignoreIpv6.Value != 0;
        set => _ignoreIpv6.Value = value ? (byte)1 : (byte)0;
    }

    public WantedRecords FlowRecords { get; }

    public bool EmitsFlowRecords => _emitFlowRecords.Value == (byte)WantedRecords.All;

    public ushort BeginTrace()
    {
        lock (_lock)
        {
            _traces++;
            _epoch = _epoch == ushort.MaxValue ? (ushort)1 : (ushort)(_epoch + 1);
            _traceEpoch.Value = _epoch;
            _emitFlowRecords.Value = (byte)WantedRecords.All;
            return _epoch;
        }
    }

    public void EndTrace()
    {
        lock (_lock)
        {
            if (--_traces == 0)
            {
                _traceEpoch.Value = 0;
                _emitFlowRecords.Value = (byte)FlowRecords;
            }
        }
    }
}
