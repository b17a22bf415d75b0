using System.Text;
using Sockwatch.Aggregation;

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
        new("filters.ignoreLoopback", ValueRule.Flag, "false",
            "Leaves out traffic that stays on this machine."),
        new("filters.ignoreIpv6", ValueRule.Flag, "false",
            "Leaves out IPv6."),
        new("filters.excludePorts", ValueRule.Port, "",
            "Leaves out traffic whose serving side has one of these ports.", SettingShape.List),
        new("filters.excludeNetworks", ValueRule.Network, "",
            "Leaves out traffic with peers in these networks.", SettingShape.List),
        new("collection.interval", ValueRule.Duration(TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(1)), "5s",
            "How old the metrics may be, and how often the kernel's totals are read.", Switch: "--interval"),
        new("aggregation.maxSeries", ValueRule.Whole(1, 1_000_000), "10000",
            "Label sets at once. Past this, traffic is counted under peer_name=\"_overflow\"."),
        new("aggregation.dropAttributes", ValueRule.OneOf([.. AttributeSelection.Droppable]), "",
            "Attributes of the edge that are left empty. What differs in nothing else is counted together; sums stay the same.", SettingShape.List),
        new("aggregation.peerAddressBits4", ValueRule.Whole(0, 32), "0",
            "How much of an IPv4 peer's address becomes network_peer_address: 24 for its network, 32 for all of it, 0 for none."),
        new("aggregation.peerAddressBits6", ValueRule.Whole(0, 128), "0",
            "The same for IPv6, such as 64 or 128."),
        new("aggregation.edgeTtl", ValueRule.Duration(TimeSpan.FromSeconds(1), TimeSpan.FromDays(7)), "10m",
            "How long a silent conversation keeps its place in the kernel."),
        new("aggregation.seriesTtl", ValueRule.Duration(TimeSpan.FromSeconds(1), TimeSpan.FromDays(7)), "10m",
            "How long a series stays on the page after its last conversation is gone."),
        new("enrichment.networks", ValueRule.Network, "",
            "Names for networks. A peer inside has the name as peer.name; the longest match wins.", SettingShape.Map),
        new("http.listen", ValueRule.ListenAddress, "127.0.0.1:9807",
            "Where /metrics and the health pages are served.", Switch: "--listen"),
        new("reader.updateInterval", ValueRule.Duration(TimeSpan.FromSeconds(1), TimeSpan.FromDays(1), orZero: true), "1m",
            "How often a flow that goes on is recorded. 0 records only starts and ends."),
        new("reader.udpIdle", ValueRule.Duration(TimeSpan.FromSeconds(1), TimeSpan.FromDays(1)), "1m",
            "Silence after which a UDP conversation counts as ended."),
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
        new("otlp.endpoint", ValueRule.Url, "",
            "Where metrics and flow records are pushed by OTLP. Off until it is set; with http/protobuf, /v1/metrics and its like are appended.",
            Switch: "--otlp-endpoint"),
        new("otlp.protocol", ValueRule.OneOf("grpc", "http/protobuf"), "grpc",
            "What the receiver speaks.", Switch: "--otlp-protocol"),
        new("otlp.headers", ValueRule.KeyAndValue, "",
            "Sent with every request, such as authorization=Bearer%20TOKEN.", SettingShape.List),
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
        new("otlp.interval", ValueRule.Duration(TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(1)), "1m",
            "How often metrics are pushed."),
        new("otlp.temporality", ValueRule.OneOf("cumulative", "delta"), "cumulative",
            "Whether counters and histograms are pushed as totals or as differences. A request of differences that fails is lost; totals catch up."),
        new("otlp.logs", ValueRule.Flag, "true",
            "Whether flow records are pushed as log records."),
        new("otlp.logKinds", ValueRule.OneOf("start", "update", "end", "failed"), "",
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
