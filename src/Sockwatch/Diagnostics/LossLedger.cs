using Sockwatch.Kernel;

namespace Sockwatch.Diagnostics;

/// <summary>A count of things not accounted for, at one place and for one reason.</summary>
internal sealed record Loss(string Stage, string Reason, long Count);

/// <summary>Every loss by stage and reason. All known reasons are there from the start, at 0, so that an alert can name them.</summary>
internal sealed class LossLedger
{
    public const string KernelStage = "kernel";
    public const string FlowLogStage = "flow_log";
    public const string OtlpMetricsStage = "otlp_metrics";
    public const string OtlpLogsStage = "otlp_logs";
    public const string OtlpSpansStage = "otlp_spans";
    public const string TraceStage = "trace";
    public const string EnrichmentStage = "enrichment";
    public const string VerdictsStage = "verdicts";
    public const string PayloadStage = "payload";

    public const string ProgramRecursion = "program_recursion";
    public const string QueueFull = "queue_full";
    public const string WriteFailed = "write_failed";
    public const string Undeliverable = "undeliverable";
    public const string Rejected = "rejected";
    public const string ListenersFull = "listeners_full";
    public const string ObjectsFull = "kubernetes_objects_full";
    public const string UnreadableObjects = "kubernetes_object_unreadable";
    public const string LookUpsFull = "kubernetes_look_ups_full";
    public const string NamesLate = "names_late";
    public const string BrokenLine = "broken_line";
    public const string BrokenFile = "broken_file";
    public const string EntriesFull = "entries_full";
    public const string NamesFull = "names_full";
    public const string AddedFull = "added_full";
    public const string LimitsFull = "limits_full";
    public const string MemoryFull = "memory_full";

    private readonly Lock _lock = new();
    private readonly Dictionary<(string Stage, string Reason), Entry> _entries = [];

    public LossLedger()
    {
        for (var reason = 0; reason < LossReasons.Count; reason++)
        {
            Set(KernelStage, ((LossReason)reason).Name(), 0);
        }

        Set(KernelStage, ProgramRecursion, 0);
        Set(FlowLogStage, QueueFull, 0);
        Set(FlowLogStage, WriteFailed, 0);
        foreach (var stage in (string[])[OtlpLogsStage, OtlpSpansStage])
        {
            Set(stage, QueueFull, 0);
            Set(stage, Undeliverable, 0);
            Set(stage, Rejected, 0);
        }

        Set(OtlpMetricsStage, Rejected, 0);
        Set(TraceStage, QueueFull, 0);
        Set(EnrichmentStage, ListenersFull, 0);
        Set(EnrichmentStage, ObjectsFull, 0);
        Set(EnrichmentStage, UnreadableObjects, 0);
        Set(EnrichmentStage, LookUpsFull, 0);
        Set(EnrichmentStage, NamesLate, 0);
        Set(KernelStage, LimitsFull, 0);
        foreach (var reason in (string[])[BrokenLine, BrokenFile, EntriesFull, NamesFull, AddedFull])
        {
            Set(VerdictsStage, reason, 0);
        }
        Set(PayloadStage, MemoryFull, 0);
    }

    /// <summary>For totals that are counted elsewhere.</summary>
    public void Set(string stage, string reason, long total)
    {
        lock (_lock)
        {
            EntryOf(stage, reason).Count = total;
        }
    }

    public void Add(string stage, string reason, long count = 1)
    {
        lock (_lock)
        {
            EntryOf(stage, reason).Count += count;
        }
    }

    /// <summary>Reads the total from where it is counted, whenever somebody asks.</summary>
    public void Follow(string stage, string reason, Func<long> total)
    {
        lock (_lock)
        {
            EntryOf(stage, reason).Source = total;
        }
    }

    public IReadOnlyList<Loss> Read()
    {
        lock (_lock)
        {
            return [.. _entries.Select(entry => new Loss(entry.Key.Stage, entry.Key.Reason, entry.Value.Total))];
        }
    }

    private Entry EntryOf(string stage, string reason)
    {
        if (!_entries.TryGetValue((stage, reason), out var entry))
        {
            _entries.Add((stage, reason), entry = new Entry());
        }

        return entry;
    }

    private sealed class Entry
    {
        public long Count { get; set; }

        public Func<long>? Source { get; set; }

        public long Total => Count + (Source?.Invoke() ?? 0);
    }
}
