using System.Net;
using Sockwatch.Enrichment.Kubernetes.Api;
using Sockwatch.Kernel;

namespace Sockwatch.Enrichment.Kubernetes;

/// <summary>Addresses of an object, however the API server writes them.</summary>
internal static class ObjectAddresses
{
    // An object's author can write any number of them.
    private const int Most = 64;

    public static Address16[] Of(IEnumerable<string?> texts)
    {
        var addresses = new List<Address16>(2);
        foreach (var text in texts)
        {
            if (addresses.Count == Most)
            {
                break;
            }

            if (IPAddress.TryParse(text, out var address) && Address16.From(address) is { IsZero: false } one && !addresses.Contains(one))
            {
                addresses.Add(one);
            }
        }

        return [.. addresses];
    }

    /// <summary>None of a pod that shares its node's, or has ended and given its own back.</summary>
    public static Address16[] Of(PodSpec? spec, PodStatus? status)
    {
        if (spec is { HostNetwork: true } || status is null || status.Phase is "Succeeded" or "Failed")
        {
            return [];
        }

        return Of(status.PodIPs is { Count: > 0 } all ? all.Select(one => one.Ip) : [status.PodIP]);
    }
}

/// <summary>Pods of this node: names for their cgroups, and for their addresses where that is asked for.</summary>
internal sealed class NodePodSink(LocalPods pods, AddressSource? addresses) : IResourceSink<NodePod>
{
    public void BeginList()
    {
        pods.BeginList();
        addresses?.BeginList();
    }

    public void Put(NodePod item)
    {
        pods.Put(item);
        if (item.Metadata is { } metadata)
        {
            var top = TopOwner.Of(
                metadata, metadata.OwnerReferences, metadata.Labels?.GetValueOrDefault(TopOwner.DeploymentHash), metadata.Labels?.GetValueOrDefault(TopOwner.RolloutHash));
            addresses?.Put(metadata, PeerClass.Pod, top, ObjectAddresses.Of(item.Spec, item.Status));
        }
    }

    public void Remove(NodePod item)
    {
        pods.Remove(item);
        addresses?.Remove(item.Metadata);
    }

    public void EndList()
    {
        pods.EndList();
        addresses?.EndList();
    }
}

/// <summary>Pods of other nodes.</summary>
internal sealed class ClusterPodSink(AddressSource addresses) : IResourceSink<ClusterPod>
{
    public void BeginList() => addresses.BeginList();

    public void Put(ClusterPod item)
    {
        if (item.Metadata is { } metadata)
        {
            var top = TopOwner.Of(metadata, metadata.OwnerReferences, metadata.Labels?.DeploymentHash, metadata.Labels?.RolloutHash);
            addresses.Put(metadata, PeerClass.Pod, top, ObjectAddresses.Of(item.Spec, item.Status));
        }
    }

    public void Remove(ClusterPod item) => addresses.Remove(item.Metadata);

    public void EndList() => addresses.EndList();
}

/// <summary>Services by the addresses they have of their own; one without is behind its pods' addresses, which are named as pods.</summary>
internal sealed class ServiceSink(AddressSource own, AddressSource external) : IResourceSink<ServiceObject>
{
    public void BeginList()
    {
        own.BeginList();
        external.BeginList();
    }

    public void Put(ServiceObject item)
    {
        if (item.Metadata is not { } metadata)
        {
            return;
        }

        var top = new TopOwner(new Workload(TopOwner.Short(metadata.Namespace), Workload.Service, TopOwner.Short(metadata.Name)), null);
        own.Put(metadata, PeerClass.Service, top, ObjectAddresses.Of(item.Spec?.ClusterIPs is { Count: > 0 } all ? all : [item.Spec?.ClusterIP]));
        external.Put(
            metadata, PeerClass.Service, top,
            ObjectAddresses.Of([.. item.Spec?.ExternalIPs ?? [], .. (item.Status?.LoadBalancer?.Ingress ?? []).Select(one => one.Ip)]), AddressRank.External);
    }

    public void Remove(ServiceObject item)
    {
        own.Remove(item.Metadata);
        external.Remove(item.Metadata);
    }

    public void EndList()
    {
        own.EndList();
        external.EndList();
    }
}

internal sealed class NodeSink(AddressSource addresses) : IResourceSink<NodeObject>
{
    public void BeginList() => addresses.BeginList();

    public void Put(NodeObject item)
    {
        if (item.Metadata is { } metadata)
        {
            var top = new TopOwner(new Workload("", "Node", TopOwner.Short(metadata.Name)), null);
            var texts = (item.Status?.Addresses ?? []).Where(address => address.Type is "InternalIP" or "ExternalIP").Select(address => address.Address);
            addresses.Put(metadata, PeerClass.Node, top, ObjectAddresses.Of(texts), AddressRank.Node);
        }
    }

    public void Remove(NodeObject item) => addresses.Remove(item.Metadata);

    public void EndList() => addresses.EndList();
}
