using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Enrichment;
using Sockwatch.Kernel;
using Sockwatch.Reader;
using Sockwatch.Tests.Fakes;
using Sockwatch.Verdicts;

namespace Sockwatch.Tests;

/// <summary>Valid sample values: edges and what is made of them.</summary>
internal static partial class Some
{
    public static EdgeKey Edge(
        string peer = "198.51.100.1",
        NetworkRole role = NetworkRole.Client,
        ushort serverPort = 443,
        byte transport = TransportProtocol.Tcp,
        ulong cgroup = 1,
        ulong executable = 2) => new()
    {
        CgroupId = cgroup,
        ExecutableId = executable,
        PeerAddress = Address16.Parse(peer),
        ServerPort = serverPort,
        Role = role,
        Transport = transport,
        NetworkType = (byte)(peer.Contains(':') ? 6 : 4),
    };

    /// <summary>The number of an executable in an edge of one of its processes, as bpf/edge_process.h makes it.</summary>
    public static ulong ProcessOf(ulong executable, uint pid) => executable | (1UL << 63) | pid;

    public static EdgeTotals Bytes(ulong sent, ulong received = 0) => new() { BytesSent = sent, BytesReceived = received };

    /// <summary>One sample in the bucket that holds it.</summary>
    public static Latency Latency(ulong nanoseconds)
    {
        var latency = new Latency { SumNs = nanoseconds };
        var bucket = LatencyBounds.Latency.BinarySearch(nanoseconds);
        latency.Buckets[bucket < 0 ? ~bucket : bucket] = 1;
        return latency;
    }

    public static EdgeAttributes Attributes(string workload = "nginx.service", string peer = "", string kind = "SystemdUnit") => new(
        "", workload.Length == 0 ? "" : kind, workload, "nginx", "client", "public", "", peer.Length == 0 ? "" : "Cidr", peer, "443", "tcp", "ipv4");

    public static TrafficTable TrafficTable(
        IEdgeNaming? naming = null,
        ManualTime? time = null,
        int maxSeries = 100,
        TimeSpan? edgeTtl = null,
        TimeSpan? seriesTtl = null,
        IOwners? owners = null,
        Detections? detections = null) => new(
            naming ?? new NamesByAddress(),
            Options.Create(new AggregationOptions
            {
                MaxSeries = maxSeries,
                EdgeTtl = edgeTtl ?? TimeSpan.FromMinutes(10),
                SeriesTtl = seriesTtl ?? TimeSpan.FromMinutes(10),
            }),
            time ?? new ManualTime(),
            detections,
            owners);

    public static TrafficCollector TrafficCollector(
        FakeKernelTotals kernel,
        ManualTime time,
        TrafficTable? table = null,
        Health? health = null,
        LossLedger? losses = null) => new(
            kernel,
            table ?? TrafficTable(time: time),
            losses ?? new LossLedger(),
            new CacheLedger(),
            new DnsLedger(),
            new HookState { Current = [new HookReport("send", "tracepoint", "attached")] },
            health ?? new Health(time),
            time,
            Options.Create(new CollectionOptions()),
            NullLogger<TrafficCollector>.Instance);

    public static EdgeNaming EdgeNaming(
        FakeKernelTotals kernel,
        ManualTime? time = null,
        Dictionary<string, List<string>>? networks = null,
        string[]? nodeAddresses = null,
        LossLedger? losses = null,
        CacheLedger? caches = null,
        int maxExecutables = 1000,
        int maxListeners = 1000,
        ILocalPods? pods = null,
        IRemotePeers? cluster = null,
        IDnsMessages? dns = null,
        DnsLedger? dnsLedger = null,
        ReverseNames? reverse = null,
        BootClock? clock = null,
        CgroupPresence? presence = null,
        int maxCgroups = 1000,
        EnrichmentOptions? options = null)
    {
        time ??= new ManualTime();
        var sources = new NamingSources(
            kernel,
            presence ?? new CgroupPresence(null, null),
            clock ?? new BootClock(),
            time,
            losses ?? new LossLedger(),
            caches ?? new CacheLedger(),
            dnsLedger ?? new DnsLedger())
        {
            Pods = pods,
            Cluster = cluster,
            DnsMessages = dns,
            Reverse = reverse,
        };
        return new EdgeNaming(
            sources,
            new NodeAddresses(() => (nodeAddresses ?? []).Select(Address16.Parse), time),
            new NetworkNames(new NetworkTable(networks ?? [])),
            options ?? new EnrichmentOptions(),
            new NamingLimits(maxExecutables, maxCgroups, maxListeners, DnsQuestions: 1000));
    }

    public static (ulong Sent, ulong Received) Sum(IEnumerable<TrafficSeries> series) => series.Aggregate(
        (Sent: 0UL, Received: 0UL),
        (sum, one) => (sum.Sent + one.Totals.BytesSent, sum.Received + one.Totals.BytesReceived));
}
