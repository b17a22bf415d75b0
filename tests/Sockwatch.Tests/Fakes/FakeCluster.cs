using Sockwatch.Enrichment;
using Sockwatch.Kernel;

namespace Sockwatch.Tests.Fakes;

/// <summary>Pods and addresses that a test makes up.</summary>
internal sealed class FakeCluster : ILocalPods, IRemotePeers
{
    public Dictionary<string, LocalPod> PodsByUid { get; } = [];

    public HashSet<string> Awaited { get; } = [];

    /// <summary>Who has the address from when on; the latest first.</summary>
    public Dictionary<string, List<(DateTimeOffset From, RemotePeer Peer)>> Peers { get; } = [];

    public LocalPod? Find(CgroupName cgroup, out bool isAwaited)
    {
        isAwaited = cgroup.PodUid is { } awaited && Awaited.Contains(awaited);
        return cgroup.PodUid is { } uid ? PodsByUid.GetValueOrDefault(uid) : null;
    }

    public RemotePeer? Find(in EdgeKey edge, DateTimeOffset at, out bool isAwaited)
    {
        isAwaited = Awaited.Contains(edge.PeerAddress.ToString());
        return Peers.GetValueOrDefault(edge.PeerAddress.ToString())?.Find(one => one.From <= at).Peer;
    }
}
