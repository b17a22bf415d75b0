using System.Globalization;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;
using Sockwatch.Reader;
using Sockwatch.Verdicts;

namespace Sockwatch.PageServer;

/// <summary>
/// A node that is made up: a shop's services and its clients, then as many more edges as a test wants. Each reading of the totals
/// finds that a second's traffic has passed, the same in every run.
/// </summary>
internal sealed class MadeUpNode : IKernelTotals, IEdgeNaming, IFlowNaming
{
    /// <summary>Names as an attacker would choose them.</summary>
    public static readonly IReadOnlyList<string> HostileNames =
    [
        "<script>window.pwned=1</script>", "<img src=x onerror=window.pwned=1>", "\"><svg onload=window.pwned=1>", "';window.pwned=1//",
        "javascript:window.pwned=1", "{{7*7}}${7*7}", "</template><script>window.pwned=1</script>", "\u202Egnp.exe", new('A', 255), "&lt;b&gt; & 'q' \"d\"",
    ];

    public static readonly IReadOnlyList<HookReport> Hooks =
    [
        new("connect", "tracepoint", HookReport.Attached), new("connect", "cgroup", HookReport.Attached), new("accept", "tracepoint", HookReport.Attached),
        new("send", "tracepoint", HookReport.Attached), new("send", "cgroup", HookReport.Attached), new("recv", "tracepoint", HookReport.Attached),
        new("recv", "cgroup", HookReport.Attached), new("release", "cgroup", HookReport.Attached), new("reset", "tracepoint", HookReport.Missing), new("listen", "kprobe", HookReport.Lost),
        new("process", "tracepoint", HookReport.Attached),
    ];

    private readonly Lock _lock = new();
    private readonly List<Conversation> _all = [];
    private readonly Random _random = new(7);
    private ulong _lost;
    private long _passed;
    private ulong _cookie;

    public bool IsStill { get; set; }

    public int Edges { get; init; } = 40;

    public bool IsHostile { get; init; }

    public void Flush()
    {
        lock (_lock)
        {
            EnsurePopulated();
            if (IsStill)
            {
                return;
            }

            _passed++;
            foreach (var one in _all)
            {
                one.Pass(_random);
            }
        }
    }

    public void ReadEdges(IEdgeSink sink)
    {
        lock (_lock)
        {
            foreach (var one in _all.Where(one => one.Detected > 0))
            {
                sink.OnDetections(new EdgeDetectionKey { Edge = one.Key, Detection = 1 }, one.Detected);
            }

            foreach (var one in _all)
            {
                sink.OnEdge(one.Key, one.Totals);
            }

            foreach (var one in _all.Where(one => one.Key.Transport == TransportProtocol.Tcp))
            {
                sink.OnTimings(one.Key, one.Timings);
            }

            foreach (var one in _all.Where(one => one.Failed > 0))
            {
                sink.OnFailures(
                    new EdgeFailureKey { Edge = one.Key, Operation = SocketOperation.Connect, Error = 111 }, new EdgeFailures { Count = one.Failed });
            }
        }
    }

    public ObservedBytes ReadObserved()
    {
        lock (_lock)
        {
            return new ObservedBytes(
                _all.Aggregate(0UL, (sum, one) => sum + one.Totals.BytesSent), _all.Aggregate(0UL, (sum, one) => sum + one.Totals.BytesReceived));
        }
    }

    public void ReadLosses(Span<ulong> byReason) => byReason[(int)LossReason.RingFull] = _lost;

    public void RemoveEdges(IReadOnlyCollection<EdgeKey> keys)
    {
    }

    public IReadOnlyList<MapOccupancy> Maps() => [new MapOccupancy("edges", _all.Count, 65_536), new MapOccupancy("flow_records", 0, 8_388_608)];

    public IReadOnlyList<ProgramCost> Programs() =>
        [Cost("sw_send", 11_000, 110), Cost("sw_recv", 9_800, 105), Cost("sw_state", 240, 420), Cost("sw_flush", 60, 90)];

    private ProgramCost Cost(string program, long runs, double nanoseconds) =>
        new(program, TimeSpan.FromMicroseconds(_passed * runs * nanoseconds / 1000), _passed * runs);

    public EdgeAttributes Name(in EdgeKey key) => At(key).Names;

    public EdgeAttributes Name(in FlowRecord record) => At(record.Edge).Names;

    public PodNames? Pod(ulong cgroupId) => null;

    public string? ExecutablePath(ulong id) => $"/usr/bin/{_all[(int)id - 1].Names.ProcessExecutableName}";

    public bool HasProcess(ulong id) => true;

    public string? CgroupPath(ulong id) => null;

    public IReadOnlyList<ulong> CgroupIds() => [];

    public void ForgetCgroups(IReadOnlyCollection<ulong> ids)
    {
    }

    public void ReadAttributions(Span<ulong> flows) => ((ulong[])[1, 420, 3, 12]).CopyTo(flows);

    public string? ContainerId(ulong cgroupId) => cgroupId % 3 == 0 ? null : new string((char)('a' + (cgroupId % 6)), 64);

    /// <summary>A new edge that carries more than any other.</summary>
    public void AddBusiest(string name)
    {
        lock (_lock)
        {
            Add(Tcp("shop", "Deployment", name, name, "client", "service", "shop", "Service", "orders", "8443"), sent: 9e8, received: 9e8);
        }
    }

    /// <summary>It stands still, and is not shown any more.</summary>
    public void ForgetBusiest()
    {
        lock (_lock)
        {
            foreach (var one in _all.OrderByDescending(one => one.SentRate).Take(1))
            {
                one.SentRate = one.ReceivedRate = 0;
            }
        }
    }

    /// <summary>A process contacts an address that is on a list.</summary>
    public void Detect(IFlowRecordSink sink, string executable)
    {
        lock (_lock)
        {
            EnsurePopulated();
            var one = _all.First(one => one.Names.ProcessExecutableName == executable);
            one.Detected++;
            sink.OnRecord(Record(one, RecordKind.FlowDetect, 0) with { Detection = 1 });
        }
    }

    public Detection? Detection(int number) => new(31, IsHostile ? HostileNames[0] : "anonymising proxy");

    public void Lose() => _lost++;

    /// <summary>Connects that found nobody listening, as records.</summary>
    public void Fail(IFlowRecordSink sink, int count)
    {
        lock (_lock)
        {
            EnsurePopulated();
            for (var i = 0; i < count; i++)
            {
                var one = _all[i % Math.Min(_all.Count, 12)];
                one.Failed++;
                sink.OnRecord(Record(one, RecordKind.FlowFailed, 111));
            }

            foreach (var one in _all.Take(12))
            {
                sink.OnRecord(Record(one, RecordKind.FlowStart, 0));
                sink.OnRecord(Record(one, RecordKind.FlowEnd, 0));
            }
        }
    }

    private FlowRecord Record(Conversation one, RecordKind kind, ushort error) => new()
    {
        AtNs = BootClock.NowNs(),
        StartedAtNs = kind == RecordKind.FlowFailed ? 0 : BootClock.NowNs() - 1_500_000_000,
        SocketCookie = ++_cookie,
        ProcessStartedAtNs = one.Key.ExecutableId,
        BytesSent = kind == RecordKind.FlowEnd ? 4_200UL : 0,
        BytesReceived = kind == RecordKind.FlowEnd ? 81_000UL : 0,
        Edge = one.Key,
        Pid = 4000 + (uint)one.Key.ExecutableId,
        Uid = 1000,
        LocalPort = 40_000,
        RemotePort = one.Key.ServerPort,
        LocalAddress = Address16.Parse("10.1.2.3"),
        Error = error,
        Kind = kind,
        EndReason = kind == RecordKind.FlowEnd ? FlowEndReason.PeerClose : FlowEndReason.None,
        Attribution = FlowAttribution.Exact,
    };

    private void EnsurePopulated()
    {
        if (_all.Count > 0)
        {
            return;
        }

        if (IsHostile)
        {
            foreach (var name in HostileNames)
            {
                Add(Tcp(name, "Deployment", name, name, "client", "pod", name, "Deployment", name, "80"), sent: 5e4, received: 1e5);
            }
        }

        Add(Tcp("edge", "Deployment", "gateway", "envoy", "server", "public", "", "", "", "443"), sent: 2.4e7, received: 1.1e6, open: 412, connections: 38);
        Add(Tcp("edge", "Deployment", "gateway", "envoy", "client", "pod", "shop", "Deployment", "storefront", "8080"), sent: 1.3e6, received: 2.2e7, open: 64);
        Add(Tcp("shop", "Deployment", "storefront", "node", "server", "pod", "edge", "Deployment", "gateway", "8080"), sent: 2.2e7, received: 1.3e6, open: 64);
        Add(Tcp("shop", "Deployment", "storefront", "node", "client", "service", "shop", "Service", "orders", "8443"), sent: 4.1e5, received: 9.6e5, open: 12, connections: 4);
        Add(Tcp("shop", "Deployment", "storefront", "node", "client", "pod", "shop", "StatefulSet", "cache", "6379"), sent: 2.6e5, received: 3.8e6, open: 8);
        Add(Tcp("shop", "StatefulSet", "cache", "redis-server", "server", "pod", "shop", "Deployment", "storefront", "6379"), sent: 3.8e6, received: 2.6e5, open: 8);
        Add(Tcp("shop", "Deployment", "orders", "orders-api", "server", "pod", "shop", "Deployment", "storefront", "8443"), sent: 9.6e5, received: 4.1e5, open: 12);
        Add(Tcp("shop", "Deployment", "orders", "orders-api", "client", "private", "", "Dns", "db-1.internal", "5432"), sent: 3.3e5, received: 2.1e6, open: 20);
        Add(Tcp("shop", "Deployment", "orders", "orders-api", "client", "public", "", "Dns", "api.payments.example", "443"), sent: 2.2e4, received: 4.1e4, open: 3, connections: 1);
        Add(Tcp("shop", "CronJob", "reindex", "python3.12", "client", "private", "", "Dns", "search.internal", "9200"), sent: 8.8e5, received: 1.2e4, open: 1);
        Add(Tcp("shop", "Deployment", "mailer", "mailer", "client", "private", "", "Cidr", "office", "25"), sent: 0, received: 0, failed: 0.7);
        Add(Tcp("", "SystemdUnit", "kubelet.service", "kubelet", "client", "node", "", "", "", "6443"), sent: 9e3, received: 2.6e4, open: 2);
        Add(Tcp("", "SystemdUnit", "chrony.service", "chronyd", "client", "public", "", "", "", "123") with { NetworkTransport = "udp" }, sent: 40, received: 40);
        Add(Tcp("kube-system", "DaemonSet", "node-local-dns", "coredns", "server", "pod", "", "", "", "53") with { NetworkTransport = "udp" }, sent: 2.4e4, received: 9.1e3);
        Add(Tcp("monitoring", "StatefulSet", "prometheus", "prometheus", "client", "pod", "shop", "Deployment", "orders", "9090") with { NetworkType = "ipv6" }, sent: 6e3, received: 2.4e5, open: 1);
        for (var i = _all.Count; i < Edges; i++)
        {
            var name = $"worker-{i:00000}";
            Add(
                Tcp($"team-{i % 40}", "Deployment", name, "worker", i % 5 == 0 ? "server" : "client", "pod", $"team-{i % 37}", "Deployment", $"backend-{i % 997:000}", $"{8000 + (i % 90)}"),
                sent: i % 3 == 0 ? 0 : 10.0 * (i % 211), received: i % 3 == 0 ? 0 : 25.0 * (i % 131), open: 1 + (i % 6), failed: i % 500 == 499 ? 0.1 : 0);
        }
    }

    private static EdgeAttributes Tcp(
        string ns, string kind, string name, string executable, string role, string peerClass, string peerNamespace, string peerKind, string peer, string port) =>
        new(ns, kind, name, executable, role, peerClass, peerNamespace, peerKind, peer, port, "tcp", "ipv4");

    private void Add(EdgeAttributes names, double sent, double received, int open = 0, double connections = 0.2, double failed = 0)
    {
        var number = _all.Count + 1;
        _all.Add(new Conversation
        {
            Names = names,
            SentRate = sent,
            ReceivedRate = received,
            ConnectionRate = failed > 0 ? 0 : connections,
            FailureRate = failed,
            Key = new EdgeKey
            {
                CgroupId = (ulong)number,
                ExecutableId = (ulong)number,
                PeerAddress = Address16.Parse(string.Create(CultureInfo.InvariantCulture, $"10.{(number >> 16) & 255}.{(number >> 8) & 255}.{number & 255}")),
                ServerPort = ushort.Parse(names.ServerPort, CultureInfo.InvariantCulture),
                Role = names.NetworkRole == "server" ? NetworkRole.Server : NetworkRole.Client,
                Transport = names.NetworkTransport == "udp" ? TransportProtocol.Udp : TransportProtocol.Tcp,
                NetworkType = (byte)(names.NetworkType == "ipv6" ? 6 : 4),
            },
            Totals = new EdgeTotals { Opened = (ulong)open, BytesSent = (ulong)(sent * 3600), BytesReceived = (ulong)(received * 3600) },
        });
    }

    private Conversation At(in EdgeKey key)
    {
        lock (_lock)
        {
            return _all[(int)key.ExecutableId - 1];
        }
    }

    private sealed class Conversation
    {
        private double _connections;
        private double _failures;

        public required EdgeKey Key { get; init; }

        public required EdgeAttributes Names { get; init; }

        public double SentRate { get; set; }

        public double ReceivedRate { get; set; }

        public double ConnectionRate { get; init; }

        public double FailureRate { get; init; }

        public EdgeTotals Totals { get; set; }

        public EdgeTimings Timings;

        public ulong Failed { get; set; }

        public ulong Detected { get; set; }

        /// <summary>A second passes.</summary>
        public void Pass(Random random)
        {
            if (SentRate + ReceivedRate + FailureRate == 0)
            {
                return;
            }

            var strength = 0.85 + (0.3 * random.NextDouble());
            _connections += ConnectionRate;
            _failures += FailureRate;
            var connections = (ulong)_connections;
            _connections -= connections;
            Failed += (ulong)_failures;
            _failures -= Math.Floor(_failures);
            Totals += new EdgeTotals
            {
                BytesSent = (ulong)(SentRate * strength),
                BytesReceived = (ulong)(ReceivedRate * strength),
                Sends = (ulong)(SentRate * strength / 1400) + 1,
                Receives = (ulong)(ReceivedRate * strength / 1400) + 1,
                Connects = Key.Role == NetworkRole.Client ? connections : 0,
                Accepts = Key.Role == NetworkRole.Server ? connections : 0,
                Opened = connections,
                Closed = connections,
                Releases = connections,
                // The busy ones lose a segment now and then; those with many connections break one off, or have no room for one.
                Retransmits = SentRate > 1e6 && random.Next(3) == 0 ? 1UL : 0,
                ResetsReceived = ConnectionRate > 1 && random.Next(5) == 0 ? 1UL : 0,
                ListenOverflows = ConnectionRate > 10 && random.Next(8) == 0 ? 1UL : 0,
            };
            if (Key.Transport == TransportProtocol.Tcp)
            {
                Timings.Rtt.Buckets[3 + random.Next(4)]++;
                Timings.Rtt.SumNs += 700_000;
                if (connections > 0)
                {
                    Timings.Connect.Buckets[4 + random.Next(3)] += connections;
                    Timings.Connect.SumNs += connections * 2_000_000;
                    Timings.Connection.Buckets[5 + random.Next(5)] += connections;
                    Timings.Connection.SumNs += connections * 900_000_000;
                }
            }
        }
    }
}
