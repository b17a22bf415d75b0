using Sockwatch.Kernel;

namespace Sockwatch.Exporters.Otlp;

/// <summary>Which flow records are pushed. Decided before a record is queued; what is not chosen is no loss.</summary>
internal sealed class FlowChoice
{
    private readonly bool[] _kinds = new bool[(int)RecordKind.PeerChanged + 1];
    private readonly ulong _sampleBelow;
    private readonly bool _all;
    private readonly ulong _minDurationNs;
    private readonly ulong _minBytes;

    public FlowChoice(OtlpOptions options)
    {
        _all = options.LogSampling >= 1;
        _sampleBelow = (ulong)(Math.Min(options.LogSampling, 1) * ulong.MaxValue);
        _minDurationNs = (ulong)options.LogMinDuration.TotalMicroseconds * 1000;
        _minBytes = (ulong)options.LogMinBytes;
        foreach (var kind in (RecordKind[])[RecordKind.FlowStart, RecordKind.FlowUpdate, RecordKind.FlowEnd, RecordKind.FlowFailed])
        {
            _kinds[(int)kind] = options.LogKinds.Count == 0 || options.LogKinds.Contains(FlowLogNames.EventName(kind)!["flow.".Length..]);
        }
    }

    public bool WantsLog(in FlowRecord record)
    {
        if ((int)record.Kind >= _kinds.Length || !_kinds[(int)record.Kind] || !IsSampled(in record))
        {
            return false;
        }

        return record.Kind switch
        {
            RecordKind.FlowEnd => IsLongAndLarge(in record),
            RecordKind.FlowUpdate => IsLarge(in record),
            _ => true,
        };
    }

    public bool WantsSpan(in FlowRecord record) => record.Kind switch
    {
        RecordKind.FlowEnd => record.StartedAtNs != 0 && IsSampled(in record) && IsLongAndLarge(in record),
        RecordKind.FlowFailed => IsSampled(in record),
        _ => false,
    };

    // By the flow's own number, so that every record of it, on every restart, has the same answer.
    private bool IsSampled(in FlowRecord record) => _all || FlowLogIdentity.Flow(in record) < _sampleBelow;

    private bool IsLarge(in FlowRecord record) => record.BytesSent + record.BytesReceived >= _minBytes;

    private bool IsLongAndLarge(in FlowRecord record) =>
        IsLarge(in record) && (_minDurationNs == 0 || (record.StartedAtNs != 0 && record.AtNs - record.StartedAtNs >= _minDurationNs));
}
