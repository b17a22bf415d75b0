using Microsoft.Extensions.Options;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters.Page;

/// <summary>
/// The last flow records, for the page: failures and detections in one ring, all others in another, so that a busy server's starts
/// and ends do not push out what went wrong. Copied as they come and named when somebody looks.
/// </summary>
internal sealed class RecentRecords : IFlowExporter
{
    private readonly Ring _events;
    private readonly Ring _flows;

    public RecentRecords(IOptions<HttpOptions> options, CacheLedger caches)
    {
        _events = new Ring(options.Value.RecentRecords);
        _flows = new Ring(options.Value.RecentRecords);
        caches.Follow("recent_events", () => _events.PutAside);
        caches.Follow("recent_flows", () => _flows.PutAside);
    }

    /// <summary>Records kept of each of the two; 0 none.</summary>
    public int Limit => _events.Limit;

    /// <summary>Failures and detections that came, those that have left included.</summary>
    public long EventCount => _events.Count;

    // On the reader's thread: no names, no text, no waiting.
    public void OnRecord(in FlowRecord record)
    {
        switch (FlowLogNames.EventName(record.Kind))
        {
            case "flow.failed" or "flow.detect":
                _events.Add(in record);
                break;
            case not null:
                _flows.Add(in record);
                break;
        }
    }

    /// <summary>Failures and detections, the newest first.</summary>
    public IReadOnlyList<RecentRecord> Events() => _events.Read();

    /// <summary>Starts, updates and ends, the newest first.</summary>
    public IReadOnlyList<RecentRecord> Flows() => _flows.Read();

    private sealed class Ring(int limit)
    {
        private readonly Lock _lock = new();
        private FlowRecord[]? _records;
        private long _count;

        public int Limit => limit;

        public long Count => Volatile.Read(ref _count);

        public long PutAside => Math.Max(0, Count - limit);

        public void Add(in FlowRecord record)
        {
            if (limit == 0)
            {
                return;
            }

            lock (_lock)
            {
                // Many agents never see a record: the flow log may be off.
                (_records ??= new FlowRecord[limit])[_count % limit] = record;
                Volatile.Write(ref _count, _count + 1);
            }
        }

        public RecentRecord[] Read()
        {
            lock (_lock)
            {
                var kept = (int)Math.Min(_count, limit);
                var records = new RecentRecord[kept];
                for (var i = 0; i < kept; i++)
                {
                    var number = _count - 1 - i;
                    records[i] = new RecentRecord(number, _records![number % limit]);
                }

                return records;
            }
        }
    }
}

/// <summary>A record and its number, which no other record of its ring ever has.</summary>
internal readonly record struct RecentRecord(long Number, FlowRecord Record);
