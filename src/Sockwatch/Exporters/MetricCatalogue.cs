using System.Collections.Immutable;
using Sockwatch.Aggregation;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters;

/// <summary>Every metric there is. Exporters make what they publish from it, and docs/metrics.md is kept equal to it.</summary>
internal static class MetricCatalogue
{
    public const string Direction = "network.io.direction";
    public const string Operation = "socket.operation";
    public const string Error = "error.type";

    /// <summary>In the order of <see cref="EdgeLabel"/>.</summary>
    public static readonly ImmutableArray<string> EdgeAttributeNames =
    [
        "workload.namespace", "workload.kind", "workload.name", "process.executable.name", "network.role",
        "peer.class", "peer.namespace", "peer.kind", "peer.name",
        "server.port", "network.transport", "network.type",
    ];

    public static readonly MetricDefinition SocketIo = Edge(
        "sockwatch.socket.io", "sockwatch_socket_io_bytes_total", MetricKind.Counter, "By",
        "Payload that applications sent and received through sockets", Direction);

    public static readonly MetricDefinition SocketOperations = Edge(
        "sockwatch.socket.operations", "sockwatch_socket_operations_total", MetricKind.Counter, "{operation}",
        "Calls that reached the socket layer, by outcome", Operation, Error);

    public static readonly MetricDefinition ConnectionsOpen = Edge(
        "sockwatch.connections.open", "sockwatch_connections_open", MetricKind.UpDownCounter, "{connection}",
        "Connections open now");

    public static readonly MetricDefinition ConnectDuration = Edge(
        "sockwatch.connect.duration", "sockwatch_connect_duration_seconds", MetricKind.Histogram, "s",
        "From the connect to its outcome", Error) with { Buckets = Seconds(LatencyBounds.Latency) };

    public static readonly MetricDefinition ConnectionDuration = Edge(
        "sockwatch.connection.duration", "sockwatch_connection_duration_seconds", MetricKind.Histogram, "s",
        "From the connection's establishment to its release") with { Buckets = Seconds(LatencyBounds.Lifetime) };

    public static readonly MetricDefinition TcpRtt = Edge(
        "sockwatch.tcp.rtt", "sockwatch_tcp_rtt_seconds", MetricKind.Histogram, "s",
        "Smoothed round-trip time, sampled about once a second and connection while it has traffic")
        with { Buckets = Seconds(LatencyBounds.Latency) };

    public static readonly MetricDefinition TcpRetransmits = Edge(
        "sockwatch.tcp.retransmits", "sockwatch_tcp_retransmits_total", MetricKind.Counter, "{segment}",
        "Segments sent again");

    public static readonly MetricDefinition TcpResets = Edge(
        "sockwatch.tcp.resets", "sockwatch_tcp_resets_total", MetricKind.Counter, "{reset}",
        "Connections reset, by who sent the reset", Direction);

    public static readonly MetricDefinition ListenOverflows = Edge(
        "sockwatch.listen.overflows", "sockwatch_listen_overflows_total", MetricKind.Counter, "{connection}",
        "Connections turned away because the listener's queue was full");

    public static readonly MetricDefinition Detections = Edge(
        "sockwatch.detections", "sockwatch_detections_total", MetricKind.Counter, "{detection}",
        "Contacts with a listed address", "detection.name");

    public static readonly MetricDefinition LostRecords = Self(
        "sockwatch.lost_records", "sockwatch_lost_records_total", MetricKind.Counter, "{record}",
        "Records, flows and names not accounted for; 0 is normal", "stage", "reason");

    public static readonly MetricDefinition ObservedBytes = Self(
        "sockwatch.observed", "sockwatch_observed_bytes_total", MetricKind.Counter, "By",
        "Bytes counted in the kernel on all sockets, whatever their edge", Direction);

    public static readonly MetricDefinition Attribution = Self(
        "sockwatch.attribution", "sockwatch_attribution_total", MetricKind.Counter, "{flow}",
        "Flows that began, by how well their owner was known then: exact, cgroup (its listener's), adopted (older than the agent), none", "quality");

    public static readonly MetricDefinition DnsAnswers = Self(
        "sockwatch.dns.answers", "sockwatch_dns_answers_total", MetricKind.Counter, "{answer}",
        "Answers to questions for addresses, by what became of them: named, empty, truncated, malformed, unsolicited", "outcome");

    public static readonly MetricDefinition BackendQuestions = Self(
        "sockwatch.backend.questions", "sockwatch_backend_questions_total", MetricKind.Counter, "{question}",
        "Questions to the kernel's connection tracking for who is behind a service (kubernetes.serviceBackends): found, unknown, failed", "outcome");

    public static readonly MetricDefinition SeriesRetired = Self(
        "sockwatch.series.retired", "sockwatch_series_retired_bytes_total", MetricKind.Counter, "By",
        "Bytes of series that have left the page; with those still there they make up the observed bytes", Direction);

    public static readonly MetricDefinition ScrapeDuration = Self(
        "sockwatch.scrape.duration", "sockwatch_scrape_duration_seconds", MetricKind.Gauge, "s",
        "Time the last page of /metrics took to make, compression included; 0 before there was one");

    public static readonly MetricDefinition ScrapeSize = Self(
        "sockwatch.scrape.size", "sockwatch_scrape_size_bytes", MetricKind.Gauge, "By",
        "Size of the last page of /metrics, before compression");

    public static readonly MetricDefinition ScrapeSeries = Self(
        "sockwatch.scrape.series", "sockwatch_scrape_series", MetricKind.Gauge, "{series}",
        "Series on the last page of /metrics, each bucket being one");

    public static readonly MetricDefinition Series = Self(
        "sockwatch.series", "sockwatch_series", MetricKind.Gauge, "{series}",
        "Series the metric has now, a histogram being one, the overflow included", "metric");

    public static readonly MetricDefinition SeriesLimit = Self(
        "sockwatch.series.limit", "sockwatch_series_limit", MetricKind.Gauge, "{series}",
        "Series the metric may have", "metric");

    public static readonly MetricDefinition SeriesFolded = Self(
        "sockwatch.series.folded", "sockwatch_series_folded_total", MetricKind.Counter, "{series}",
        "Times a label set of an edge found no room, or lost it to a bigger one, and went on under peer_name=\"_overflow\"", "metric");

    public static readonly MetricDefinition HookInfo = Self(
        "sockwatch.hook.info", "sockwatch_hook_info", MetricKind.Gauge, "",
        "The hooks in use for each operation; state is attached, missing (totals do without it) or lost (they are wrong)", "operation", "backend", "state");

    public static readonly MetricDefinition BpfProgramRun = Self(
        "sockwatch.bpf.program.run", "sockwatch_bpf_program_run_seconds_total", MetricKind.Counter, "s",
        "Time spent in the program, by the kernel's own account", "program");

    public static readonly MetricDefinition BpfProgramRuns = Self(
        "sockwatch.bpf.program.runs", "sockwatch_bpf_program_runs_total", MetricKind.Counter, "{run}",
        "Runs of the program while the kernel kept account", "program");

    public static readonly MetricDefinition BpfMapEntries = Self(
        "sockwatch.bpf.map.entries", "sockwatch_bpf_map_entries", MetricKind.Gauge, "{entry}",
        "Entries in the kernel's map", "map");

    public static readonly MetricDefinition BpfMapMaxEntries = Self(
        "sockwatch.bpf.map.max_entries", "sockwatch_bpf_map_max_entries", MetricKind.Gauge, "{entry}",
        "Entries the kernel's map has room for", "map");

    public static readonly MetricDefinition ExportFailures = Self(
        "sockwatch.export.failures", "sockwatch_export_failures_total", MetricKind.Counter, "{failure}",
        "Times an exporter could not deliver", "exporter", "reason");

    public static readonly MetricDefinition NameCacheEvictions = Self(
        "sockwatch.name_cache.evictions", "sockwatch_name_cache_evictions_total", MetricKind.Counter, "{name}",
        "Names put aside for newer ones, to be looked up again", "cache");

    public static readonly MetricDefinition KubernetesRequests = Self(
        "sockwatch.kubernetes.requests", "sockwatch_kubernetes_requests_total", MetricKind.Counter, "{request}",
        "Requests to the Kubernetes API server; the outcome is the HTTP status, or what came in its place", "resource", "verb", "outcome");

    public static readonly MetricDefinition KubernetesWatchRestarts = Self(
        "sockwatch.kubernetes.watch.restarts", "sockwatch_kubernetes_watch_restarts_total", MetricKind.Counter, "{restart}",
        "Times a watch began again: ended as watches do after some minutes, failed, or too far behind and so listed anew", "resource", "reason");

    public static readonly MetricDefinition KubernetesObjects = Self(
        "sockwatch.kubernetes.objects", "sockwatch_kubernetes_objects", MetricKind.Gauge, "{object}",
        "Objects whose names are known", "resource");

    public static readonly MetricDefinition KubernetesCurrent = Self(
        "sockwatch.kubernetes.current", "sockwatch_kubernetes_current", MetricKind.Gauge, "",
        "1 while the resource is followed; 0 while the API server does not let it be, and names are those of before", "resource");

    public static readonly MetricDefinition ControlRefusals = Self(
        "sockwatch.control.refusals", "sockwatch_control_refusals_total", MetricKind.Counter, "{client}",
        "Clients of the control socket that were turned away or let go", "reason");

    public static readonly MetricDefinition VerdictEntries = Self(
        "sockwatch.verdicts.entries", "sockwatch_verdicts_entries", MetricKind.Gauge, "{entry}",
        "Entries that addresses are matched with", "source");

    public static readonly MetricDefinition VerdictsTimestamp = Self(
        "sockwatch.verdicts.timestamp", "sockwatch_verdicts_timestamp_seconds", MetricKind.Gauge, "s",
        "When entries of files were last put in force; 0 never");

    public static readonly MetricDefinition CollectionDuration = Self(
        "sockwatch.collection.duration", "sockwatch_collection_duration_seconds", MetricKind.Gauge, "s",
        "Time the last collection took");

    public static readonly MetricDefinition CollectionTimestamp = Self(
        "sockwatch.collection.timestamp", "sockwatch_collection_timestamp_seconds", MetricKind.Gauge, "s",
        "When the kernel's totals were last read; 0 never");

    public static readonly MetricDefinition CollectionFailures = Self(
        "sockwatch.collection.failures", "sockwatch_collection_failures_total", MetricKind.Counter, "{failure}",
        "Times the kernel's totals could not be read");

    public static readonly MetricDefinition ProcessResidentMemory = Self(
        "sockwatch.process.resident_memory", "sockwatch_process_resident_memory_bytes", MetricKind.Gauge, "By",
        "Memory of the agent");

    public static readonly MetricDefinition ProcessCpu = Self(
        "sockwatch.process.cpu", "sockwatch_process_cpu_seconds_total", MetricKind.Counter, "s",
        "Processor time of the agent, its programs in the kernel not included");

    public static readonly MetricDefinition ProcessAllocated = Self(
        "sockwatch.process.allocated", "sockwatch_process_allocated_bytes_total", MetricKind.Counter, "By",
        "Memory the agent has allocated since it started, most of it given back");

    public static readonly MetricDefinition BuildInfo = Self(
        "sockwatch.build.info", "sockwatch_build_info", MetricKind.Gauge, "",
        "The agent's version and the kernel it runs on", "version", "kernel");

    public static readonly ImmutableArray<MetricDefinition> All =
    [
        SocketIo, SocketOperations, ConnectionsOpen, ConnectDuration, ConnectionDuration, TcpRtt, TcpRetransmits, TcpResets,
        ListenOverflows, Detections,
        LostRecords, ObservedBytes, Attribution, DnsAnswers, BackendQuestions, SeriesRetired, Series, SeriesLimit, SeriesFolded, HookInfo,
        BpfProgramRun, BpfProgramRuns, BpfMapEntries, BpfMapMaxEntries, ExportFailures, NameCacheEvictions,
        KubernetesRequests, KubernetesWatchRestarts, KubernetesObjects, KubernetesCurrent, ControlRefusals, VerdictEntries, VerdictsTimestamp,
        CollectionDuration, CollectionTimestamp, CollectionFailures, ScrapeDuration, ScrapeSize, ScrapeSeries, ProcessResidentMemory, ProcessCpu, ProcessAllocated,
         BuildInfo,
    ];

    public static MetricDefinition Of(TrafficMetric metric) => metric switch
    {
        TrafficMetric.SocketIo => SocketIo,
        TrafficMetric.SocketOperations => SocketOperations,
        TrafficMetric.ConnectionsOpen => ConnectionsOpen,
        TrafficMetric.ConnectDuration => ConnectDuration,
        TrafficMetric.ConnectionDuration => ConnectionDuration,
        TrafficMetric.TcpRtt => TcpRtt,
        TrafficMetric.TcpRetransmits => TcpRetransmits,
        TrafficMetric.TcpResets => TcpResets,
        TrafficMetric.ListenOverflows => ListenOverflows,
        TrafficMetric.Detections => Detections,
        _ => throw new ArgumentOutOfRangeException(nameof(metric), metric, null),
    };

    /// <summary>The value of one of <see cref="EdgeAttributeNames"/>.</summary>
    public static string EdgeLabel(EdgeAttributes edge, int index) => index switch
    {
        0 => edge.WorkloadNamespace,
        1 => edge.WorkloadKind,
        2 => edge.WorkloadName,
        3 => edge.ProcessExecutableName,
        4 => edge.NetworkRole,
        5 => edge.PeerClass,
        6 => edge.PeerNamespace,
        7 => edge.PeerKind,
        8 => edge.PeerName,
        9 => edge.ServerPort,
        10 => edge.NetworkTransport,
        _ => edge.NetworkType,
    };

    private static MetricDefinition Edge(
        string name, string prometheusName, MetricKind kind, string unit, string help, params ImmutableArray<string> attributes) =>
        new(name, prometheusName, kind, unit, help, attributes, IsOfEdge: true);

    private static MetricDefinition Self(
        string name, string prometheusName, MetricKind kind, string unit, string help, params ImmutableArray<string> attributes) =>
        new(name, prometheusName, kind, unit, help, attributes, IsOfEdge: false);

    private static ImmutableArray<double> Seconds(ReadOnlySpan<ulong> nanoseconds)
    {
        var seconds = ImmutableArray.CreateBuilder<double>(nanoseconds.Length);
        foreach (var bound in nanoseconds)
        {
            seconds.Add(bound / 1e9);
        }

        return seconds.MoveToImmutable();
    }
}
