using Sockwatch.Diagnostics;
using Sockwatch.Enrichment.Dns;
using Sockwatch.Kernel;

namespace Sockwatch.Enrichment;

/// <summary>
/// Names the other side of an edge by the surest that knows it: who serves the port on this machine, the cluster, the networks in
/// the configuration, what the asker was told by DNS. Not thread-safe.
/// </summary>
internal sealed class PeerNaming(
    NodeAddresses node, NetworkNames networks, Listeners listeners, IRemotePeers? cluster, DnsNaming? dns, ReverseNames? reverse, LossLedger losses)
{
    /// <summary>What a served edge shows: who serves which port.</summary>
    public void Heard(in EdgeKey key, in Workload workload, CgroupName? cgroup)
    {
        if (key.Role == NetworkRole.Server && workload.IsKnown && key.ServerPort != 0
            && !listeners.Heard(key.ServerPort, key.Transport, key.CgroupId, workload, cgroup?.Parent ?? "", cgroup?.ContainerId is not null))
        {
            losses.Add(LossLedger.EnrichmentStage, LossLedger.ListenersFull);
        }
    }

    public RemotePeer Find(in EdgeKey key, CgroupName? cgroup, DateTimeOffset at, out bool isAwaited)
    {
        isAwaited = false;
        var address = key.PeerAddress;
        var peerClass = PeerClass.Of(address);
        if (peerClass is PeerClass.Private or PeerClass.Public && node.Contains(address))
        {
            peerClass = PeerClass.Node;
        }

        if (peerClass is PeerClass.Loopback or PeerClass.Node && key.Role == NetworkRole.Client
            && listeners.Find(key.ServerPort, key.Transport, key.CgroupId, cgroup?.Parent ?? "", IsOwnNetwork(peerClass, cgroup)) is { IsKnown: true } listener)
        {
            return new RemotePeer(listener, peerClass);
        }

        if (peerClass is PeerClass.Unknown)
        {
            return new RemotePeer(Workload.Unknown, peerClass);
        }

        if (peerClass is not PeerClass.Loopback && cluster?.Find(key, at, out isAwaited) is { } known)
        {
            return new RemotePeer(known.Workload.Printable(), known.Class.Length > 0 ? known.Class : peerClass);
        }

        if (networks.Find(address) is { } network)
        {
            isAwaited = false;
            return new RemotePeer(new Workload("", Workload.Network, network), peerClass);
        }

        var name = peerClass is PeerClass.Loopback ? null : dns?.Find(key, cgroup, at) ?? reverse?.Find(address);
        return new RemotePeer(name is null ? Workload.Unknown : new Workload("", Workload.DomainName, name), peerClass);
    }

    // A container's loopback is its own, or its pod's.
    private static bool IsOwnNetwork(string peerClass, CgroupName? cgroup) => peerClass is PeerClass.Loopback && cgroup?.ContainerId is not null;
}
