using System.Text;
using Sockwatch.Aggregation;
using Sockwatch.Exporters;

namespace Sockwatch.Configuration;

internal enum SettingShape
{
    Single,
    List,

    /// <summary>Names, each with a list of values.</summary>
    Map,
}

/// <summary>One key an operator can set.</summary>
/// <param name="Key">Section and name as YAML spells them, with a dot between.</param>
/// <param name="Default">As an operator would write it; the options class holds the same value.</param>
/// <param name="Switch">The command-line switch of <c>sockwatch run</c> that sets it.</param>
internal sealed record Setting(
    string Key,
    ValueRule Rule,
    string Default,
    string Summary,
    SettingShape Shape = SettingShape.Single,
    string? Switch = null)
{
    public string Expected => Shape switch
    {
        SettingShape.List => $"a list, each item {Rule.Expected}",
        SettingShape.Map => $"names, each with a list, each item {Rule.Expected}",
        _ => Rule.Expected,
    };

    public string EnvironmentVariable => SettingCatalogue.EnvironmentVariable(Key);
}

/// <summary>Every key of the configuration. The file, the environment, the switches and the documentation all follow it.</summary>
internal static class SettingCatalogue
{
    public const string EnvironmentPrefix = "SOCKWATCH__";

    // The kernel allocates entries as they are used, so a generous limit costs nothing until it is needed.
    private const int MostMapEntries = 16_777_216;

    public static readonly IReadOnlyList<Setting> All =
    [
        new("kernel.maxEdges", ValueRule.Whole(1, MostMapEntries), "65536",
            "Conversations counted apart. Past this, traffic is counted under one overflow edge."),
        new("kernel.maxUdpFlows", ValueRule.Whole(1, MostMapEntries), "65536",
            "UDP conversations with a flow record of their own. Past this, they are only in the metrics."),
        new("kernel.maxProcesses", ValueRule.Whole(1, MostMapEntries), "32768",
            "Processes whose identity is remembered. Past this, finding it again costs time."),
        new("kernel.maxExecutables", ValueRule.Whole(1, MostMapEntries), "8192",
            "Executables with a name. Past this, traffic of new ones has an empty executable."),
        new("kernel.maxCgroups", ValueRule.Whole(1, MostMapEntries), "4096",
            "Cgroups with a name. Past this, traffic of new ones has no container or unit."),
        new("kernel.ringBytes", ValueRule.PowerOfTwoBytes(64 * 1024, 1024 * 1024 * 1024), "8MiB",
            "Flow records that may wait to be read. Past this, records are lost and counted."),
        new("kernel.maxSockets", ValueRule.Whole(1, MostMapEntries), "131072",
            "Sockets that are followed, on kernels where this cannot be kept in the socket itself. Past this, traffic of new ones is counted under one overflow edge."),
        new("kernel.backend", ValueRule.OneOf("auto", "tracepoint", "fentry", "kprobe"), "auto",
            "The way into the kernel. Left alone, the cheapest that misses nothing is chosen for each operation; the others are for experiments.",
            Switch: "--backend"),
        new("kernel.btf", ValueRule.OptionalFile, "",
            "Type information (BTF) that fits this kernel, for a kernel that carries none. Programs on tracepoints and functions still need the kernel's own.",
            Switch: "--btf"),
        new("filters.ignoreLoopback", ValueRule.Flag, "false",
            "Leaves out traffic that stays on this machine."),
        new("filters.ignoreIpv6", ValueRule.Flag, "false",
            "Leaves out IPv6."),
        new("filters.excludePorts", ValueRule.Port, "",
            "Leaves out traffic whose serving side has one of these ports.", SettingShape.List),
        new("filters.excludeNetworks", ValueRule.Network, "",
            "Leaves out traffic with peers in these networks.", SettingShape.List),
        new("limits.processShare", ValueRule.Whole(1, 100), "25",
            "What one process may have of the kernel's tables once they are half full, in per cent: edges, UDP conversations, sockets, flow records. Past it, it is counted under peer_name=\"_overflow\" of its own."),
        new("limits.containerShare", ValueRule.Whole(1, 100), "50",
            "The same for all of one container, or unit: of edges and of failures."),
        new("limits.maxProcesses", ValueRule.Whole(1, 1_000_000), "8192",
            "Processes that may have a limit of their own, set at run time. Past this, the oldest limit is dropped."),
        new("verdicts.files", ValueRule.AbsolutePath, "",
            "Lists of addresses to watch for, an entry a line, or directories of such lists. Read again when they change.", SettingShape.List),
        new("verdicts.maxEntries", ValueRule.Whole(1, 10_000_000), "1000000",
            "Entries of all files together. Past this, lines are left out and counted."),
        new("verdicts.maxAdded", ValueRule.Whole(0, 1_000_000), "65536",
            "Entries that may be added at run time. Past this, the oldest goes; 0 takes none."),
        new("verdicts.allowTtl", ValueRule.Duration(TimeSpan.FromSeconds(1), TimeSpan.FromDays(365)), "24h",
            "How long an entry added at run time lasts that allows an address."),
        new("verdicts.detectTtl", ValueRule.Duration(TimeSpan.FromSeconds(1), TimeSpan.FromDays(365)), "24h",
            "The same for one that makes a contact a detection."),
        new("collection.interval", ValueRule.Duration(TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(1)), "5s",
            "How old the metrics may be, and how often the kernel's totals are read.", Switch: "--interval"),
        new("aggregation.maxSeries", ValueRule.Whole(1, 1_000_000), "10000",
            "Series of each metric at once. Past this, the smallest are counted under peer_name=\"_overflow\"."),
        new("aggregation.maxHistogramSeries", ValueRule.Whole(1, 1_000_000), "2000",
            "The same for each histogram, where one is as many on the page as it has buckets and three more."),
        new("aggregation.dropAttributes", ValueRule.OneOf([.. AttributeSelection.Droppable]), "",
            "Attributes of the edge that are left empty. What differs in nothing else is counted together; sums stay the same.", SettingShape.List),
        new("aggregation.addAttributes", ValueRule.OneOf([.. AttributeSelection.Addable.Select(one => one.Name)]), "",
            "Attributes that tell series apart besides those of the edge. Each can make very many of them; sums stay the same.", SettingShape.List),
        new("aggregation.peerAddressBits4", ValueRule.Whole(0, 32), "0",
            "How much of an IPv4 peer's address becomes network_peer_address: 24 for its network, 32 for all of it, 0 for none."),
        new("aggregation.peerAddressBits6", ValueRule.Whole(0, 128), "0",
            "The same for IPv6, such as 64 or 128."),
        new("aggregation.edgeTtl", ValueRule.Duration(TimeSpan.FromSeconds(1), TimeSpan.FromDays(7)), "10m",
            "How long a silent conversation keeps its place in the kernel."),
        new("aggregation.seriesTtl", ValueRule.Duration(TimeSpan.FromSeconds(1), TimeSpan.FromDays(7)), "10m",
            "How long a series stays on the page after its last conversation is gone."),
        new("aggregation.ownerTtl", ValueRule.Duration(TimeSpan.FromSeconds(1), TimeSpan.FromDays(7)), "2m",
            "How long series of an owner that is gone, a deleted pod or container, a unit or (with process.pid) a process that ended, stay after its last traffic, for the last values to be scraped."),
        new("enrichment.networks", ValueRule.Network, "",
            "Names for networks. A peer inside has the name as peer.name; the longest match wins.", SettingShape.Map),
        new("kubernetes.enabled", ValueRule.OneOf("auto", "on", "off"), "auto",
            "Whether names come from Kubernetes. auto is on in a pod that has a service account's token, and where a kubeconfig is given."),
        new("kubernetes.scope", ValueRule.OneOf("cluster", "node", "off"), "cluster",
            "Whose addresses have names: those of all pods, services and nodes; of this node's pods and of services; or none. Pods of this node have their names as owners of sockets either way."),
        new("kubernetes.kubeconfig", ValueRule.OptionalFile, "",
            "How the API server is reached from outside a pod.", Switch: "--kubeconfig"),
        new("kubernetes.nodeName", ValueRule.Text, "",
            "The node whose pods are followed. When it is empty, the environment's NODE_NAME, which the chart sets, or K8S_NODE_NAME, or else the host's name."),
        new("kubernetes.podLabels", ValueRule.NotEmpty, "",
            "Labels of the local pod that its flow records carry, as k8s.pod.label.KEY.", SettingShape.List),
        new("kubernetes.podAnnotations", ValueRule.NotEmpty, "",
            "Annotations of the local pod that its flow records carry, as k8s.pod.annotation.KEY.", SettingShape.List),
        new("kubernetes.keepDeleted", ValueRule.Duration(TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)), "5m",
            "How long pods, and addresses, that are gone keep their names."),
        new("kubernetes.nameWait", ValueRule.Duration(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(10), orZero: true), "3s",
            "How long a conversation that began before the cluster told its names may be held back for them. Nothing is dropped; 0 holds nothing back."),
        new("kubernetes.serviceBackends", ValueRule.Flag, "false",
            "Whether the flow records of clients that talk to a service say which of its pods answers, as peer.backend.*. The kernel's connection tracking is asked once a flow; the agent has to be in the node's network namespace."),
        new("kubernetes.maxObjects", ValueRule.Whole(1, 10_000_000), "150000",
            "Pods, services and nodes with addresses kept at once. Past this, new ones have no name."),
        new("enrichment.keepNames", ValueRule.Duration(TimeSpan.FromSeconds(1), TimeSpan.FromDays(1), orZero: true), "15m",
            "How long the name of what is gone is kept after its last use: of a container or unit, and of an address that DNS named."),
        new("enrichment.dnsNames", ValueRule.Flag, "true",
            "Whether peers are named by the DNS answers that programs on this machine get, by UDP or TCP from port 53."),
        new("enrichment.dnsMinTtl", ValueRule.Duration(TimeSpan.FromSeconds(1), TimeSpan.FromDays(7), orZero: true), "1m",
            "How long such a name is good for at least, whatever its time to live: many programs use an address for longer."),
        new("enrichment.dnsMaxTtl", ValueRule.Duration(TimeSpan.FromSeconds(1), TimeSpan.FromDays(7)), "1h",
            "How long such a name is good for at most, unless it is in use."),
        new("enrichment.maxDnsNames", ValueRule.Whole(2, 1_000_000), "16384",
            "Addresses with such a name. Past this, the longest unused are forgotten."),
        new("enrichment.reverseDns", ValueRule.Flag, "false",
            "Whether the agent asks the host's resolver for the name of an address that nothing else names: five questions a second at most."),
        new("http.listen", ValueRule.ListenAddress, "127.0.0.1:9807",
            "Where /metrics, the health pages and the page for people are served.", Switch: "--listen"),
        new("http.recentRecords", ValueRule.Whole(0, 100_000), "500",
            "Flow records kept in memory for the page: so many failures and detections, and so many others. They show addresses and pids to whoever reaches the listener; 0 keeps none."),
        new("reader.updateInterval", ValueRule.Duration(TimeSpan.FromSeconds(1), TimeSpan.FromDays(1), orZero: true), "1m",
            "How often a flow that goes on is recorded. 0 records only starts and ends."),
        new("reader.udpIdle", ValueRule.Duration(TimeSpan.FromSeconds(1), TimeSpan.FromDays(1)), "1m",
            "Silence after which a UDP conversation counts as ended."),
        new("payload.direction", ValueRule.OneOf("off", "client", "send", "both"), "off",
            "Whose bytes are captured into flow records: what clients send over TCP, what both sides send, or what they receive as well."),
        new("payload.limit", ValueRule.Bytes(1, 1024 * 1024), "16KiB",
            "Bytes that are captured of each socket and direction, from the first one on."),
        new("payload.processes", ValueRule.NotEmpty, "",
            "Only of these executables, by base name or whole path.", SettingShape.List),
        new("payload.ports", ValueRule.Port, "",
            "Only of conversations whose serving side has one of these ports.", SettingShape.List),
        new("payload.namespaces", ValueRule.NotEmpty, "",
            "Only of workloads in these namespaces.", SettingShape.List),
        new("payload.all", ValueRule.Flag, "false",
            "Captures everybody's. Without it, processes, ports or namespaces have to be named."),
        new("payload.redact", ValueRule.Pattern, "",
            "What matches is overwritten with asterisks before anything leaves the process.", SettingShape.List),
        new("payload.encoding", ValueRule.OneOf("text", "base64"), "text",
            "How flow records show it: as text with a dot for what is not printable, or exactly."),
        new("payload.memoryBytes", ValueRule.Bytes(1024 * 1024, 1L << 32), "32MiB",
            "Captured bytes that may wait for the record of their flow. Past this, the oldest are lost and counted."),
        new("payload.recogniseProtocols", ValueRule.Flag, "false",
            "Names the protocol of each TCP flow by its first bytes, which are not kept."),
        new("flowLog.target", ValueRule.FlowLogTarget, "-",
            "Where flow records go: - for standard output, none, or a file to append to.", Switch: "--flow-log"),
        new("flowLog.format", ValueRule.OneOf("json", "text", "auto"), "auto",
            "How flow records are written. auto is text on a terminal and json elsewhere; text leaves updates out.", Switch: "--format"),
        new("flowLog.queueLength", ValueRule.Whole(1, 1_048_576), "16384",
            "Records that may wait for a slow target. Past this, they are lost and counted."),
        new("flowLog.maxFileBytes", ValueRule.Bytes(4096, 1L << 40, orZero: true), "0",
            "Size at which the file is renamed to FILE.1 and a new one begun. 0 leaves rotation to others, who may send SIGHUP."),
        new("flowLog.maxFiles", ValueRule.Whole(1, 1000), "5",
            "Renamed files that are kept, FILE.1 being the newest."),
        new("flowLog.kinds", ValueRule.OneOf([.. FlowLogNames.Kinds]), "",
            "Which kinds of flow records are written; none named is all.", SettingShape.List),
        new("flowLog.sampling", ValueRule.Share, "1",
            "Share of flows that are written: all records of a flow, or none of it. The same flows that otlp.logSampling takes."),
        new("flowLog.minDuration", ValueRule.Duration(TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(1), orZero: true), "0",
            "Flows that ended sooner have no end record."),
        new("flowLog.minBytes", ValueRule.Bytes(1, 1L << 40, orZero: true), "0",
            "Flows that carried less, both ways together, have no update and no end record."),
        new("otlp.endpoint", ValueRule.Url, "",
            "Where metrics and flow records are pushed by OTLP. Off until it is set; with http/protobuf, /v1/metrics and its like are appended.",
            Switch: "--otlp-endpoint"),
        new("otlp.protocol", ValueRule.OneOf("grpc", "http/protobuf"), "grpc",
            "What the receiver speaks.", Switch: "--otlp-protocol"),
        new("otlp.headers", ValueRule.KeyAndValue, "",
            "Sent with every request, such as authorization=Bearer%20TOKEN.", SettingShape.List),
        new("otlp.bearerTokenFile", ValueRule.OptionalFile, "",
            "File whose content is sent as authorization=Bearer …; read for each request, so that it may change."),
        new("otlp.timeout", ValueRule.Duration(TimeSpan.FromMilliseconds(10), TimeSpan.FromMinutes(10)), "10s",
            "How long one request may take."),
        new("otlp.compression", ValueRule.OneOf("none", "gzip"), "gzip",
            "How requests are compressed."),
        new("otlp.certificate", ValueRule.OptionalFile, "",
            "PEM file with the authorities to trust instead of the system's."),
        new("otlp.clientCertificate", ValueRule.OptionalFile, "",
            "PEM file with the agent's own certificate, for mutual TLS."),
        new("otlp.clientKey", ValueRule.OptionalFile, "",
            "PEM file with the key of otlp.clientCertificate."),
        new("otlp.resourceAttributes", ValueRule.KeyAndValue, "",
            "Added to what the agent finds out about its host, such as deployment.environment.name=test.", SettingShape.List),
        new("otlp.serviceName", ValueRule.NotEmpty, "sockwatch",
            "service.name of all that is pushed."),
        new("otlp.metrics", ValueRule.Flag, "true",
            "Whether metrics are pushed."),
        new("otlp.interval", ValueRule.Duration(TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(1)), "15s",
            "How often metrics are pushed. Rates over a minute need several pushes in it."),
        new("otlp.temporality", ValueRule.OneOf("cumulative", "delta"), "cumulative",
            "Whether counters and histograms are pushed as totals or as differences. Either way, what could not be delivered is in the next push."),
        new("otlp.logs", ValueRule.Flag, "true",
            "Whether flow records are pushed as log records."),
        new("otlp.logKinds", ValueRule.OneOf([.. FlowLogNames.Kinds]), "",
            "Which kinds of flow records are pushed; none named is all.", SettingShape.List),
        new("otlp.logSampling", ValueRule.Share, "1",
            "Share of flows that are pushed as log records and spans: all of a flow, or none of it."),
        new("otlp.logMinDuration", ValueRule.Duration(TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(1), orZero: true), "0",
            "Flows that ended sooner have no end record and no span."),
        new("otlp.logMinBytes", ValueRule.Bytes(1, 1L << 40, orZero: true), "0",
            "Flows that carried less, both ways together, have no update, no end record and no span."),
        new("otlp.spans", ValueRule.Flag, "false",
            "Whether each ended flow is pushed as a span as well."),
        new("otlp.queueLength", ValueRule.Whole(1, 1_048_576), "16384",
            "Flow records that may wait for the receiver, for log records and for spans each. Past this, they are lost and counted."),
        new("control.enabled", ValueRule.Flag, "true",
            "Whether root can ask and tell the running agent things, with sockwatch trace, top and ctl, through a socket in stateDirectory."),
        new("control.maxClients", ValueRule.Whole(1, 1024), "64",
            "Clients of the control socket at once. More are turned away and counted."),
        new("control.maxTraces", ValueRule.Whole(1, 64), "8",
            "Traces through the running agent at once."),
        new("control.traceQueueLength", ValueRule.Whole(16, 1_048_576), "16384",
            "Records that may wait for each such trace. Past this, they are lost, counted, and the trace says how many."),
        new("log.level", ValueRule.LogLevel, "info",
            "The least important messages still written to standard error.", Switch: "--log-level"),
        new("stateDirectory", ValueRule.AbsolutePath, "/run/sockwatch",
            "Where the agent keeps its lock and what must survive it."),
        new("diagnostics.programStats", ValueRule.OneOf("off", "sampled", "on"), "sampled",
            "Whether the kernel times the BPF programs, which itself slows every socket operation a little."),
    ];

    private static readonly Dictionary<string, Setting> ByKey =
        All.ToDictionary(setting => setting.Key, StringComparer.OrdinalIgnoreCase);

    private static readonly string[] Sections =
        [.. All.Where(setting => setting.Key.Contains('.')).Select(setting => setting.Key[..setting.Key.IndexOf('.')]).Distinct()];

    public static Setting? Find(string key) => ByKey.GetValueOrDefault(key);

    public static Setting BySwitch(string name) => All.Single(setting => setting.Switch == name);

    public static bool IsSection(string key) => Sections.Contains(key, StringComparer.OrdinalIgnoreCase);

    /// <summary>What was probably meant. A known name in the wrong section counts as near.</summary>
    public static string Nearest(string unknown)
    {
        var candidates = unknown.Contains('.') ? All.Select(setting => setting.Key) : All.Select(setting => setting.Key).Concat(Sections);
        return candidates.MinBy(known => Math.Min(
            EditDistance.Between(unknown, known),
            1 + EditDistance.Between(LastName(unknown), LastName(known))))!;
    }

    public static string EnvironmentVariable(string key) => EnvironmentPrefix + key.ToUpperInvariant().Replace(".", "__", StringComparison.Ordinal);

    /// <summary>The table of docs/configuration.md.</summary>
    public static string ToMarkdown()
    {
        var table = new StringBuilder();
        table.Append("| key | default | switch | what it does | accepts |\n|---|---|---|---|---|\n");
        foreach (var setting in All)
        {
            var value = setting.Default.Length == 0 ? "none" : $"`{setting.Default}`";
            var option = setting.Switch is null ? "" : $"`{setting.Switch}`";
            table.Append($"| `{setting.Key}` | {value} | {option} | {setting.Summary} | {setting.Expected} |\n");
        }

        return table.ToString();
    }

    private static string LastName(string key) => key[(key.LastIndexOf('.') + 1)..];
}
