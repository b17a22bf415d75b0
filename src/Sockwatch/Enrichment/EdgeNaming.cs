using System.Globalization;
using Microsoft.Extensions.Options;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;
using Sockwatch.Reader;

namespace Sockwatch.Enrichment;

/// <summary>
/// Names edges by what this machine knows: the cgroup's path, the executable's path, its own addresses and the networks in the
/// configuration. Names that others chose are made printable and cut. Any thread may call it.
/// </summary>
internal sealed class EdgeNaming : IEdgeNaming, IFlowNaming
{
    /// <summary>Of label values; longer names are cut.</summary>
    public const int MaxNameLength = 255;

    private const int MaxExecutables = 8192;
    private const int MaxCgroups = 4096;
    private const int MaxListeners = 8192;

    private readonly IKernelTotals _kernel;
    private readonly NodeAddresses _node;
    private readonly NetworkNames _networks;
    private readonly LossLedger _losses;
    private readonly Listeners _listeners;
    private readonly Lock _lock = new();
    private readonly BoundedCache<ulong, ExecutableName> _executables;
    private readonly BoundedCache<ulong, CgroupName> _cgroups;
    private readonly string?[] _ports = new string?[ushort.MaxValue + 1];

    public EdgeNaming(
        IKernelTotals kernel,
        NodeAddresses node,
        IOptions<EnrichmentOptions> options,
        LossLedger losses,
        CacheLedger caches,
        TimeProvider time)
        : this(kernel, node, options, losses, caches, time, MaxExecutables, MaxCgroups, MaxListeners)
    {
    }

    internal EdgeNaming(
        IKernelTotals kernel,
        NodeAddresses node,
        IOptions<EnrichmentOptions> options,
        LossLedger losses,
        CacheLedger caches,
        TimeProvider time,
        int maxExecutables,
        int maxCgroups,
        int maxListeners)
    {
        _kernel = kernel;
        _node = node;
        _networks = new NetworkNames(options.Value);
        _losses = losses;
        _listeners = new Listeners(time, maxListeners);
        _executables = new BoundedCache<ulong, ExecutableName>(maxExecutables);
        _cgroups = new BoundedCache<ulong, CgroupName>(maxCgroups);
        caches.Follow("executables", () => _executables.Evictions);
        caches.Follow("cgroups", () => _cgroups.Evictions);
    }

    public EdgeAttributes Name(in EdgeKey key)
    {
        lock (_lock)
        {
            return NameLocked(key);
        }
    }

    public string? ExecutablePath(ulong id)
    {
        lock (_lock)
        {
            return ExecutableOf(id)?.Path;
        }
    }

    public string? ContainerId(ulong cgroupId)
    {
        lock (_lock)
        {
            return CgroupOf(cgroupId)?.ContainerId;
        }
    }

    private EdgeAttributes NameLocked(in EdgeKey key)
    {
        var executable = ExecutableOf(key.ExecutableId);
        var cgroup = CgroupOf(key.CgroupId);
        var workload = WorkloadOf(executable, cgroup);
        var peerAddress = key.PeerAddress;
        var peerClass = PeerClass.Of(peerAddress);
        if (peerClass is PeerClass.Private or PeerClass.Public && _node.Contains(peerAddress))
        {
            peerClass = PeerClass.Node;
        }

        if (key.Role == NetworkRole.Server && workload.IsKnown && key.ServerPort != 0
            && !_listeners.Heard(key.ServerPort, key.Transport, key.CgroupId, workload, cgroup?.Parent ?? ""))
        {
            _losses.Add(LossLedger.EnrichmentStage, LossLedger.ListenersFull);
        }

        var peer = PeerOf(key, peerClass, cgroup);
        return new EdgeAttributes(
            workload.Namespace,
            workload.Kind,
            workload.Name,
            executable?.Name ?? "",
            RoleName(key.Role),
            peerClass,
            peer.Namespace,
            peer.Kind,
            peer.Name,
            PortName(key.ServerPort),
            TransportProtocol.Name(key.Transport),
            NetworkTypeName(key.NetworkType));
    }

    private Workload PeerOf(in EdgeKey key, string peerClass, CgroupName? cgroup)
    {
        if (peerClass is PeerClass.Loopback or PeerClass.Node && key.Role == NetworkRole.Client)
        {
            var listener = _listeners.Find(key.ServerPort, key.Transport, key.CgroupId, cgroup?.Parent ?? "");
            if (listener.IsKnown)
            {
                return listener;
            }
        }

        return _networks.Find(key.PeerAddress) is { } network ? new Workload("", "Cidr", network) : Workload.Unknown;
    }

    private static Workload WorkloadOf(ExecutableName? executable, CgroupName? cgroup) => (cgroup, executable) switch
    {
        ({ ContainerId: { } id }, _) => new Workload("", Workload.Container, id[..CgroupName.ShortContainerIdLength]),
        ({ SystemdUnit: { } unit }, _) => new Workload("", Workload.SystemdUnit, unit),
        (_, { } known) => new Workload("", Workload.Process, known.Name),
        _ => Workload.Unknown,
    };

    // What the kernel does not know yet is not remembered, so that it is found once it is known.
    private ExecutableName? ExecutableOf(ulong id)
    {
        if (id == 0)
        {
            return null;
        }

        if (_executables.TryGet(id, out var name))
        {
            return name;
        }

        if (_kernel.ExecutablePath(id) is not { Length: > 0 } path)
        {
            return null;
        }

        name = ExecutableName.Parse(path);
        _executables.Add(id, name);
        return name;
    }

    private CgroupName? CgroupOf(ulong id)
    {
        if (id == 0)
        {
            return null;
        }

        if (_cgroups.TryGet(id, out var name))
        {
            return name;
        }

        if (_kernel.CgroupPath(id) is not { Length: > 0 } path)
        {
            return null;
        }

        name = CgroupName.Parse(path);
        _cgroups.Add(id, name);
        return name;
    }

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
