using System.Collections.Immutable;
using Sockwatch.Diagnostics;
using Sockwatch.Enrichment.Kubernetes.Api;

namespace Sockwatch.Enrichment.Kubernetes;

/// <summary>
/// The pods of this node, those that are gone included for as long as their names are kept. A cgroup's path has the pod's uid,
/// so a pod has its name from its first packet on, before the kubelet has told anybody about its containers.
/// </summary>
internal sealed class LocalPods : ILocalPods, IResourceSink<NodePod>
{
    /// <summary>Alive and gone. Past this, those gone longest are forgotten early.</summary>
    public const int MaxPods = 32_768;

    private const string ConfigHash = "kubernetes.io/config.hash";

    private readonly KubernetesOptions _options;
    private readonly OwnerTable _owners;
    private readonly Action<Owner> _lookUp;
    private readonly LossLedger _losses;
    private readonly TimeProvider _time;
    private readonly int _limit;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, KnownPod> _byUid = [];
    private readonly Dictionary<string, KnownPod> _byContainer = [];
    private readonly Queue<KnownPod> _gone = [];
    private readonly FirstAsked<string> _awaited;
    private int _alive;
    private int _list;
    private long _evictions;

    public LocalPods(
        KubernetesOptions options, OwnerTable owners, Action<Owner> lookUp, LossLedger losses, CacheLedger caches, TimeProvider time, int limit = MaxPods)
    {
        _options = options;
        _owners = owners;
        _lookUp = lookUp;
        _losses = losses;
        _time = time;
        _limit = limit;
        _awaited = new FirstAsked<string>(options.NameWait, time);
        caches.Follow("pods", () => Interlocked.Read(ref _evictions));
    }

    /// <summary>Those that live.</summary>
    public int Count => Volatile.Read(ref _alive);

    public LocalPod? Find(CgroupName cgroup, out bool isAwaited)
    {
        isAwaited = false;
        lock (_lock)
        {
            if (Find(cgroup) is not { } pod)
            {
                isAwaited = cgroup.PodUid is { } uid && _awaited.IsStillAwaited(uid);
                return null;
            }

            var container = pod.ContainerName(cgroup.ContainerId);
            isAwaited = (pod.Owner is { IsSettled: false } && _awaited.IsStillAwaited(pod.Uid))
                || (container is null && pod.GoneAt is null && cgroup.ContainerId is { } id && _awaited.IsStillAwaited(id));
            return pod.Names(container ?? "");
        }
    }

    /// <summary>The agent ends: what is not known now is not waited for.</summary>
    public void StopWaiting() => _awaited.StopWaiting();

    public void BeginList()
    {
        lock (_lock)
        {
            _list++;
        }
    }

    public void Put(NodePod item)
    {
        lock (_lock)
        {
            if (Keep(item) is { GoneAt: not null } back)
            {
                // A list out of a cache that is behind; the watch from there on will tell again that it is gone.
                back.GoneAt = null;
                Interlocked.Increment(ref _alive);
            }
        }
    }

    public void Remove(NodePod item)
    {
        lock (_lock)
        {
            // What was never seen alive was there all the same.
            if (Keep(item) is { } pod)
            {
                End(pod);
            }

            ForgetOld();
        }
    }

    public void EndList()
    {
        lock (_lock)
        {
            foreach (var pod in _byUid.Values.Where(pod => pod.List != _list && pod.GoneAt is null).Distinct().ToArray())
            {
                End(pod);
            }

            ForgetOld();
        }
    }

    private KnownPod? Find(CgroupName cgroup) =>
        cgroup.PodUid is { } uid && _byUid.TryGetValue(uid, out var pod) ? pod
        : cgroup.ContainerId is { } id ? _byContainer.GetValueOrDefault(id)
        : null;

    private KnownPod? Keep(NodePod item)
    {
        if (item.Metadata is not { Uid: { Length: > 0 } } metadata)
        {
            return null;
        }

        var uid = TopOwner.Short(metadata.Uid);
        if (!_byUid.TryGetValue(uid, out var pod) || pod.Uid != uid)
        {
            if (!HasRoom())
            {
                _losses.Add(LossLedger.EnrichmentStage, LossLedger.ObjectsFull);
                return null;
            }

            pod = Add(uid, metadata);
        }

        Describe(pod, metadata);
        pod.List = _list;
        ContainerStatus[] statuses =
        [
            .. item.Status?.ContainerStatuses ?? [], .. item.Status?.InitContainerStatuses ?? [], .. item.Status?.EphemeralContainerStatuses ?? [],
        ];
        AddContainers(pod, statuses);
        return pod;
    }

    private KnownPod Add(string uid, NodePodMetadata metadata)
    {
        var fileUid = metadata.Annotations?.GetValueOrDefault(ConfigHash);
        var pod = new KnownPod(uid, TopOwner.Short(metadata.Namespace), TopOwner.Short(metadata.Name), _options.NodeName)
        {
            FileUid = string.IsNullOrEmpty(fileUid) ? null : fileUid,
        };
        _byUid[uid] = pod;
        if (pod.FileUid is not null)
        {
            _byUid[pod.FileUid] = pod;
        }

        Interlocked.Increment(ref _alive);
        return pod;
    }

    // Most news of a pod changes nothing here.
    private void Describe(KnownPod pod, NodePodMetadata metadata)
    {
        var top = TopOwner.Of(
            metadata, metadata.OwnerReferences, metadata.Labels?.GetValueOrDefault(TopOwner.DeploymentHash), metadata.Labels?.GetValueOrDefault(TopOwner.RolloutHash));
        ImmutableArray<KeyValuePair<string, string>> asked =
        [
            .. Asked("k8s.pod.label.", _options.PodLabels, metadata.Labels),
            .. Asked("k8s.pod.annotation.", _options.PodAnnotations, metadata.Annotations),
        ];
        if (pod.Owner is { } known && known.FirstName == top.Workload && pod.Asked.SequenceEqual(asked))
        {
            return;
        }

        var before = pod.Owner;
        var owner = _owners.Take(PeerClass.Pod, top);
        _lookUp(owner);
        var controller = TopOwner.Controller(metadata.OwnerReferences);
        pod.Describe(owner, new Workload("", TopOwner.Short(controller?.Kind), TopOwner.Short(controller?.Name)), asked);
        if (before is not null)
        {
            _owners.Release(before);
        }
    }

    private static IEnumerable<KeyValuePair<string, string>> Asked(string prefix, IList<string> keys, Dictionary<string, string?>? values)
    {
        foreach (var key in keys)
        {
            if (values?.GetValueOrDefault(key) is { Length: > 0 } value)
            {
                yield return new(prefix + key, TopOwner.Short(value));
            }
        }
    }

    // Those that run are mentioned last, so that those that ended make room first.
    private void AddContainers(KnownPod pod, ContainerStatus[] statuses)
    {
        foreach (var status in statuses)
        {
            AddContainer(pod, status.LastState?.Terminated?.ContainerId, status.Name);
            AddContainer(pod, status.State?.Terminated?.ContainerId, status.Name);
        }

        foreach (var status in statuses)
        {
            AddContainer(pod, status.ContainerId, status.Name);
        }
    }

    private void AddContainer(KnownPod pod, string? url, string? name)
    {
        var slash = url?.LastIndexOf('/') ?? -1;
        if (url is null || name is null || url.Length - slash - 1 != CgroupName.ContainerIdLength)
        {
            return;
        }

        var id = url[(slash + 1)..];
        if (pod.Mention(id))
        {
            return;
        }

        if (pod.AddContainer(id, TopOwner.Short(name)) is { } forgotten)
        {
            _byContainer.Remove(forgotten);
        }

        _byContainer[id] = pod;
    }

    private bool HasRoom()
    {
        ForgetOld();
        if (_alive + _gone.Count >= _limit && _gone.TryDequeue(out var oldest))
        {
            Interlocked.Increment(ref _evictions);
            Forget(oldest);
        }

        return _alive + _gone.Count < _limit;
    }

    private void End(KnownPod pod)
    {
        if (pod.GoneAt is null)
        {
            pod.GoneAt = _time.GetTimestamp();
            _gone.Enqueue(pod);
            Interlocked.Decrement(ref _alive);
        }
    }

    private void ForgetOld()
    {
        while (_gone.TryPeek(out var oldest) && (oldest.GoneAt is not { } goneAt || _time.GetElapsedTime(goneAt) >= _options.KeepDeleted))
        {
            Forget(_gone.Dequeue());
        }
    }

    private void Forget(KnownPod pod)
    {
        // One that came back and went again stands in the queue twice.
        if (pod.GoneAt is null || pod.IsForgotten)
        {
            return;
        }

        pod.IsForgotten = true;
        RemoveIfSame(_byUid, pod.Uid, pod);
        if (pod.FileUid is not null)
        {
            RemoveIfSame(_byUid, pod.FileUid, pod);
        }

        foreach (var (id, _) in pod.Containers)
        {
            RemoveIfSame(_byContainer, id, pod);
        }

        _owners.Release(pod.Owner!);
    }

    private static void RemoveIfSame(Dictionary<string, KnownPod> pods, string key, KnownPod pod)
    {
        if (pods.GetValueOrDefault(key) == pod)
        {
            pods.Remove(key);
        }
    }
}
