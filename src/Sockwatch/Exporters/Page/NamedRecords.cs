using System.Buffers;
using Microsoft.Extensions.Options;
using Sockwatch.Aggregation;
using Sockwatch.Kernel;
using Sockwatch.Verdicts;

namespace Sockwatch.Exporters.Page;

/// <summary>A flow record with the names of its two ends, and as the flow log would write it.</summary>
internal sealed record NamedRecord(FlowRecord Record, EdgeAttributes Edge, ReadOnlyMemory<byte> Json)
{
    /// <summary>What a list says of the peer; null where none does.</summary>
    public Detection? Detection { get; init; }
}

/// <summary>
/// Names the recent records for whoever looks. Each is named once and then remembered while it is kept: naming a record again long
/// after it came would tell the naming of servers that are gone as if they had just been heard.
/// </summary>
internal sealed class NamedRecords : IDisposable
{
    // A name that was late will have come by then.
    private static readonly TimeSpan NamesSettleAfter = TimeSpan.FromSeconds(15);

    private readonly RecentRecords _recent;
    private readonly IFlowNaming _naming;
    private readonly BootClock _clock;
    private readonly AttributeSelection _selection;
    private readonly FlowLogJson _json;
    private readonly Lock _lock = new();
    private readonly Dictionary<long, NamedRecord> _events = [];
    private readonly Dictionary<long, NamedRecord> _flows = [];

    public NamedRecords(RecentRecords recent, IFlowNaming naming, BootClock clock, FlowLogIdentity identity, IOptions<AggregationOptions> options)
    {
        _recent = recent;
        _naming = naming;
        _clock = clock;
        _selection = new AttributeSelection(options.Value);
        _json = new FlowLogJson(naming, clock, identity);
    }

    /// <summary>The last failures and detections, the newest first.</summary>
    public IReadOnlyList<NamedRecord> Events(int limit)
    {
        lock (_lock)
        {
            return [.. Named(_recent.Events(), _events, _ => true).Take(limit)];
        }
    }

    /// <summary>The last records of one series of the report, the newest first.</summary>
    public IReadOnlyList<NamedRecord> Of(EdgeAttributes edge, int limit)
    {
        lock (_lock)
        {
            return
            [
                .. Named(_recent.Events(), _events, record => MayBeOf(edge, record))
                    .Concat(Named(_recent.Flows(), _flows, record => MayBeOf(edge, record)))
                    .Where(record => record.Edge == edge)
                    .OrderByDescending(record => record.Record.AtNs)
                    .Take(limit),
            ];
        }
    }

    public string? ExecutablePath(in FlowRecord record) => _naming.ExecutablePath(record.Edge.ExecutableId);

    public string? ContainerId(in FlowRecord record) => _naming.ContainerId(record.Edge.CgroupId);

    public DateTime TimeOf(in FlowRecord record) => DateTime.SpecifyKind(FlowLogTime.DateTime(_clock.ToUnixNs(record.AtNs) / 100), DateTimeKind.Utc);

    public void Dispose() => _json.Dispose();

    // What a number can tell is compared before any name is made.
    private static bool MayBeOf(EdgeAttributes edge, in FlowRecord record) =>
        (edge.NetworkTransport.Length == 0 || edge.NetworkTransport == TransportProtocol.Name(record.Edge.Transport))
        && (edge.NetworkRole.Length == 0 || edge.NetworkRole == FlowLogNames.Name(record.Edge.Role))
        && (edge.ServerPort.Length == 0 || (int.TryParse(edge.ServerPort, out var port) && port == record.Edge.ServerPort));

    private List<NamedRecord> Named(IReadOnlyList<RecentRecord> recent, Dictionary<long, NamedRecord> known, Func<FlowRecord, bool> isWanted)
    {
        var oldest = recent.Count > 0 ? recent[^1].Number : long.MaxValue;
        foreach (var number in known.Keys.Where(number => number < oldest).ToList())
        {
            known.Remove(number);
        }

        var now = BootClock.NowNs();
        var named = new List<NamedRecord>();
        foreach (var (number, record) in recent)
        {
            if (!isWanted(record))
            {
                continue;
            }

            if (!known.TryGetValue(number, out var one) || (!one.Edge.IsComplete && now - record.AtNs < NamesSettleAfter.TotalNanoseconds))
            {
                known[number] = one = Name(record);
            }

            named.Add(one);
        }

        return named;
    }

    private NamedRecord Name(in FlowRecord record)
    {
        var json = new ArrayBufferWriter<byte>(1024);
        _json.TryWrite(in record, json);
        return new NamedRecord(record, _selection.Apply(record.Edge, _naming.Name(in record)), json.WrittenMemory)
        {
            Detection = record.Kind == RecordKind.FlowDetect ? _naming.Detection(record.Detection) ?? Detections.Unknown : null,
        };
    }
}
