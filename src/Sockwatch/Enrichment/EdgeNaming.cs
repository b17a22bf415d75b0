using System.Globalization;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Enrichment.Dns;
using Sockwatch.Kernel;
using Sockwatch.Reader;
using Sockwatch.Verdicts;

namespace Sockwatch.Enrichment;

/// <summary>
/// Names edges and flows: this side by its cgroup's path, the pod in it and the executable's path; the other side as
/// <see cref="PeerNaming"/> has it. Names that others chose are made printable and cut. Any thread may call it.
/// </summary>
internal sealed class EdgeNaming : IEdgeNaming, IFlowNaming, IOwners
{
    /// <summary>Of label values; longer names are cut.</summary>
    public const int MaxNameLength = 255;

    private readonly IKernelTotals _kernel;
    private readonly ILocalPods? _pods;
    private readonly IRemotePeers? _cluster;
    private readonly IServiceBackends? _backends;
    private readonly BootClock _clock;
    private readonly TimeProvider _time;
    private readonly Executables _executables;
    private readonly Cgroups _cgroups;
    private readonly DnsNaming? _dns;
    private readonly PeerNaming _peers;
    private readonly Lock _lock = new();
    private readonly KernelLists? _lists;
    private readonly Detections? _detections;
    private readonly string?[] _ports = new string?[ushort.MaxValue + 1];

    public EdgeNaming(NamingSources sources, NodeAddresses node, NetworkNames networks, EnrichmentOptions options, NamingLimits limits)
    {
        _kernel = sources.Kernel;
        _pods = sources.Pods;
        _cluster = sources.Cluster;
        _backends = sources.Backends;
        _clock = sources.Clock;
        _time = sources.Time;
        _lists = sources.Lists;
        _detections = sources.Detections;
        _executables = new Executables(sources.Kernel, sources.Caches, limits.Executables);
        _cgroups = new Cgroups(sources.Kernel, sources.Presence, sources.Caches, _time, options.KeepNames, limits.Cgroups);
        _dns = sources.DnsMessages is { } messages
            ? new DnsNaming(messages, _cgroups, options, sources.Dns, sources.Caches, _clock, _time, limits.DnsQuestions)
            : null;
        _peers = new PeerNaming(node, networks, new Listeners(_time, limits.Listeners), sources.Cluster, _dns, sources.Reverse, sources.Losses);
    }

    /// <summary>Of the lists: who is on one is so at once.</summary>
    public uint Generation => _lists?.Generation ?? 0;

    /// <summary>Reads the DNS messages that wait, before there are too many.</summary>
    public void DrainDns()
    {
        lock (_lock)
        {
            _dns?.Drain();
        }
    }

    public bool IsGone(in EdgeKey key)
    {
        lock (_lock)
        {
            return _cgroups.IsGone(key.CgroupId) || (key.Pid != 0 && !_kernel.HasProcess(key.ExecutableId));
        }
    }

    /// <summary>Whether so many cgroups are new that it is time to find out which are gone.</summary>
    public bool HasManyNewCgroups
    {
        get
        {
            lock (_lock)
            {
                return _cgroups.HasManyNew;
            }
        }
    }

    /// <summary>Finds out which cgroups are gone.</summary>
    public void SweepCgroups()
    {
        lock (_lock)
        {
            _cgroups.Sweep();
        }
    }

    public EdgeAttributes Name(in EdgeKey key)
    {
        lock (_lock)
        {
            return NameLocked(key, _time.GetUtcNow());
        }
    }

    public EdgeAttributes Name(in FlowRecord record)
    {
        lock (_lock)
        {
            return NameLocked(record.Edge, BeganAt(in record));
        }
    }

    public bool IsAwaited(in FlowRecord record) => (_pods is not null || _cluster is not null) && Name(in record).IsProvisional;

    public void Settle(in FlowRecord record)
    {
        if (_backends is not null && record.Edge.Role == NetworkRole.Client
            && _cluster?.Find(record.Edge, BeganAt(in record), out _) is { Workload.Kind: Workload.Service })
        {
            _backends.Ask(in record);
        }
    }

    public FlowBackend? Backend(in FlowRecord record)
    {
        if (_backends?.Find(in record) is not { } backend)
        {
            return null;
        }

        var edge = record.Edge with { PeerAddress = backend.Address, ServerPort = backend.Port };
        var workload = _cluster?.Find(edge, BeganAt(in record), out _)?.Workload.Printable() ?? Workload.Unknown;
        return new FlowBackend(backend.Address, backend.Port, workload.Namespace, workload.Kind, workload.Name);
    }

    public string? ExecutablePath(ulong id)
    {
        lock (_lock)
        {
            return _executables.Find(id)?.Path;
        }
    }

    public string? ContainerId(ulong cgroupId)
    {
        lock (_lock)
        {
            return _cgroups.Find(cgroupId)?.ContainerId;
        }
    }

    public Detection? Detection(int number) => _detections?.Find(number);

    public PodNames? Pod(ulong cgroupId)
    {
        lock (_lock)
        {
            return _cgroups.Find(cgroupId) is { } cgroup ? _pods?.Find(cgroup, out _)?.Names.Printable(MaxNameLength) ?? WithoutName(cgroup) : null;
        }
    }

    private DateTimeOffset BeganAt(in FlowRecord record) =>
        DateTimeOffset.UnixEpoch.AddTicks(_clock.ToUnixNs(record.StartedAtNs != 0 ? record.StartedAtNs : record.AtNs) / 100);

    // The path alone tells which pod it was. A pod from a file has a hash there, and another uid in the cluster.
    private static PodNames? WithoutName(CgroupName cgroup) =>
        cgroup.PodUid is { Length: CgroupName.UuidLength } uid ? new PodNames("", "", uid, "", "", []) : null;

    private EdgeAttributes NameLocked(in EdgeKey key, DateTimeOffset at)
    {
        var executable = _executables.Find(key.ExecutableId);
        var cgroup = _cgroups.Find(key.CgroupId);
        var isAwaited = false;
        var pod = cgroup is null ? null : _pods?.Find(cgroup, out isAwaited);
        var workload = pod?.Workload.Printable() ?? WorkloadOf(executable, cgroup);
        if (key.IsOwnersOverflow)
        {
            // Of the one who has too many peers to count apart, and of no peer.
            return EdgeAttributes.Overflow with
            {
                WorkloadNamespace = workload.Namespace,
                WorkloadKind = workload.Kind,
                WorkloadName = workload.Name,
                ProcessExecutableName = executable?.Name ?? "",
            };
        }

        if (!isAwaited)
        {
            _peers.Heard(key, workload, cgroup);
        }

        var peer = _peers.Find(key, cgroup, at, out var isPeerAwaited);
        return new EdgeAttributes(
            workload.Namespace,
            workload.Kind,
            workload.Name,
            executable?.Name ?? "",
            RoleName(key.Role),
            _lists?.Find(key.PeerAddress).Detection > 0 ? PeerClass.Listed : peer.Class,
            peer.Workload.Namespace,
            peer.Workload.Kind,
            peer.Workload.Name,
            PortName(key.ServerPort),
            TransportProtocol.Name(key.Transport),
            NetworkTypeName(key.NetworkType))
        {
            ProcessExecutablePath = executable is { Path: var path } ? path.Length <= MaxNameLength ? path : PrintableText.Of(path, MaxNameLength) : "",
            ProcessPid = key.Pid == 0 ? "" : key.Pid.ToString(CultureInfo.InvariantCulture),
            ContainerId = cgroup?.ContainerId ?? "",
            PodName = pod?.Names.Printable(MaxNameLength).Name ?? "",
            IsProvisional = isAwaited || isPeerAwaited,
        };
    }

    private static Workload WorkloadOf(ExecutableName? executable, CgroupName? cgroup) => (cgroup, executable) switch
    {
        ({ ContainerId: { } id }, _) => new Workload("", Workload.Container, id[..CgroupName.ShortContainerIdLength]),
        ({ SystemdUnit: { } unit }, _) => new Workload("", Workload.SystemdUnit, unit),
        (_, { } known) => new Workload("", Workload.Process, known.Name),
        _ => Workload.Unknown,
    };

    private string PortName(ushort port) =>
        port == 0 ? "" : _ports[port] ??= port.ToString(CultureInfo.InvariantCulture);

    private static string RoleName(NetworkRole role) => role switch
    {
        NetworkRole.Client => "client",
        NetworkRole.Server => "server",
        _ => "",
    };

    private static string NetworkTypeName(byte type) => type switch
    {
        4 => "ipv4",
        6 => "ipv6",
        _ => "",
    };
}
