using System.Collections.Immutable;
using Sockwatch.Aggregation;

namespace Sockwatch.Enrichment.Kubernetes;

/// <summary>A pod of this node, alive or gone.</summary>
internal sealed class KnownPod(string uid, string @namespace, string name, string node)
{
    // A container that is started again and again has a new id each time.
    private const int MaxContainers = 32;

    private readonly List<(string Id, string Name)> _containers = [];
    private readonly Dictionary<string, LocalPod> _names = [];
    private RemotePeer? _namedAs;
    private Workload _controller;

    public string Uid => uid;

    /// <summary>What the kubelet calls a pod that it has from a file; null for all others.</summary>
    public string? FileUid { get; init; }

    public Owner? Owner { get; private set; }

    public ImmutableArray<KeyValuePair<string, string>> Asked { get; private set; } = [];

    public int List { get; set; }

    /// <summary>Null while it lives.</summary>
    public long? GoneAt { get; set; }

    public bool IsForgotten { get; set; }

    public IReadOnlyList<(string Id, string Name)> Containers => _containers;

    /// <param name="controller">Its owner next to it.</param>
    public void Describe(Owner owner, Workload controller, ImmutableArray<KeyValuePair<string, string>> asked)
    {
        Owner = owner;
        _controller = controller;
        Asked = asked;
        _names.Clear();
    }

    /// <summary>Its latest mention makes a container one of the last to make room. False when it is not known.</summary>
    public bool Mention(string id)
    {
        var known = _containers.FindIndex(container => container.Id == id);
        if (known < 0)
        {
            return false;
        }

        var mentioned = _containers[known];
        _containers.RemoveAt(known);
        _containers.Add(mentioned);
        return true;
    }

    /// <summary>Gives back the id that had to make room, if one had to.</summary>
    public string? AddContainer(string id, string container)
    {
        string? forgotten = null;
        if (_containers.Count >= MaxContainers)
        {
            forgotten = _containers[0].Id;
            _containers.RemoveAt(0);
        }

        _containers.Add((id, container));
        return forgotten;
    }

    public string? ContainerName(string? id)
    {
        foreach (var container in _containers)
        {
            if (container.Id == id)
            {
                return container.Name;
            }
        }

        return null;
    }

    public LocalPod Names(string container)
    {
        // Its owner may have been looked up since.
        var peer = Owner!.Peer;
        if (_namedAs != peer)
        {
            _namedAs = peer;
            _names.Clear();
        }

        if (!_names.TryGetValue(container, out var names))
        {
            names = new LocalPod(peer.Workload, new PodNames(@namespace, name, uid, container, node, [.. Owners(peer.Workload), .. Asked]));
            _names.Add(container, names);
        }

        return names;
    }

    private IEnumerable<KeyValuePair<string, string>> Owners(Workload top)
    {
        if (AttributeOf(top.Kind) is { } attribute)
        {
            yield return new(attribute, top.Name);
        }

        if (_controller.Kind != top.Kind && AttributeOf(_controller.Kind) is { } direct)
        {
            yield return new(direct, _controller.Name);
        }
    }

    private static string? AttributeOf(string kind) => kind switch
    {
        "Deployment" => "k8s.deployment.name",
        "ReplicaSet" => "k8s.replicaset.name",
        "StatefulSet" => "k8s.statefulset.name",
        "DaemonSet" => "k8s.daemonset.name",
        "CronJob" => "k8s.cronjob.name",
        "Job" => "k8s.job.name",
        "ReplicationController" => "k8s.replicationcontroller.name",
        _ => null,
    };
}
