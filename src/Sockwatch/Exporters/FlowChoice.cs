using Sockwatch.Kernel;

namespace Sockwatch.Exporters;

/// <summary>Which flow records one exporter takes. Decided before a record is queued; what is not chosen is no loss.</summary>
/// <param name="kinds">Of <see cref="FlowLogNames.Kinds"/>; none is all of them.</param>
/// <param name="sampling">Share of flows, of which all records are taken.</param>
/// <param name="minDuration">Flows that ended sooner have no end record and no span.</param>
/// <param name="minBytes">Flows that carried less, both ways together, have no update, no end record and no span.</param>
internal sealed class FlowChoice(ICollection<string> kinds, double sampling, TimeSpan minDuration, long minBytes)
{
    private readonly bool[] _kinds = [.. Enumerable.Range(0, byte.MaxValue + 1)
        .Select(kind => FlowLogNames.KindName((RecordKind)kind) is { } name && (kinds.Count == 0 || kinds.Contains(name)))];

    private readonly ulong _sampleBelow = (ulong)(Math.Min(sampling, 1) * ulong.MaxValue);
    private readonly bool _all = sampling >= 1;
    private readonly ulong _minDurationNs = (ulong)minDuration.TotalMicroseconds * 1000;
    private readonly ulong _minBytes = (ulong)minBytes;

    public FlowChoice(FlowLogOptions options)
        : this(options.Kinds, options.Sampling, options.MinDuration, options.MinBytes)
    {
    }

    public bool WantsRecord(in FlowRecord record)
    {
        // A detection is never left to chance.
        if (!_kinds[(int)record.Kind] || (record.Kind != RecordKind.FlowDetect && !IsSampled(in record)))
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

    // By the flow's own number, so that every record of it, on every restart and by every exporter, has the same answer.
    private bool IsSampled(in FlowRecord record) => _all || FlowLogIdentity.Flow(in record) < _sampleBelow;

    private bool IsLarge(in FlowRecord record) => record.BytesSent + record.BytesReceived >= _minBytes;

    private bool IsLongAndLarge(in FlowRecord record) =>
        IsLarge(in record) && (_minDurationNs == 0 || (record.StartedAtNs != 0 && record.AtNs - record.StartedAtNs >= _minDurationNs));
}
