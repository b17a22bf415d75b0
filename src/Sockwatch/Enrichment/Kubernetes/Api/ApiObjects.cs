using System.Text.Json.Serialization;

namespace Sockwatch.Enrichment.Kubernetes.Api;

// The few fields that are read of the API's objects; all else is skipped as it arrives.

/// <summary>An object that can be listed and watched.</summary>
internal interface IApiObject
{
    IObjectMetadata? Metadata { get; }
}

internal interface IObjectMetadata
{
    string? Name { get; }

    string? Namespace { get; }

    string? Uid { get; }

    string? ResourceVersion { get; }
}

internal abstract class ApiMetadata : IObjectMetadata
{
    public string? Name { get; set; }

    public string? Namespace { get; set; }

    public string? Uid { get; set; }

    public string? ResourceVersion { get; set; }

    public DateTimeOffset? CreationTimestamp { get; set; }
}

internal sealed class PlainMetadata : ApiMetadata;

/// <summary>Of metadata-only answers.</summary>
internal sealed class OwnedMetadata : ApiMetadata
{
    public List<OwnerReference>? OwnerReferences { get; set; }
}

internal sealed class OwnedObject
{
    public OwnedMetadata? Metadata { get; set; }
}

internal sealed class OwnerReference
{
    public string? ApiVersion { get; set; }

    public string? Kind { get; set; }

    public string? Name { get; set; }

    public bool? Controller { get; set; }
}

/// <summary>A pod of this node, with all of its labels and annotations, of which some may be asked for.</summary>
internal sealed class NodePod : IApiObject
{
    public NodePodMetadata? Metadata { get; set; }

    public PodSpec? Spec { get; set; }

    public NodePodStatus? Status { get; set; }

    IObjectMetadata? IApiObject.Metadata => Metadata;
}

internal sealed class NodePodMetadata : ApiMetadata
{
    public List<OwnerReference>? OwnerReferences { get; set; }

    public Dictionary<string, string?>? Labels { get; set; }

    public Dictionary<string, string?>? Annotations { get; set; }
}

/// <summary>A pod of another node: its owner and addresses.</summary>
internal sealed class ClusterPod : IApiObject
{
    public ClusterPodMetadata? Metadata { get; set; }

    public PodSpec? Spec { get; set; }

    public PodStatus? Status { get; set; }

    IObjectMetadata? IApiObject.Metadata => Metadata;
}

internal sealed class ClusterPodMetadata : ApiMetadata
{
    public List<OwnerReference>? OwnerReferences { get; set; }

    public OwnerLabels? Labels { get; set; }
}

/// <summary>The labels that tell whose ReplicaSet it is.</summary>
internal sealed class OwnerLabels
{
    [JsonPropertyName(TopOwner.DeploymentHash)]
    public string? DeploymentHash { get; set; }

    [JsonPropertyName(TopOwner.RolloutHash)]
    public string? RolloutHash { get; set; }
}

internal sealed class PodSpec
{
    public string? NodeName { get; set; }

    public bool? HostNetwork { get; set; }
}

internal class PodStatus
{
    public string? Phase { get; set; }

    [JsonPropertyName("podIP")]
    public string? PodIP { get; set; }

    [JsonPropertyName("podIPs")]
    public List<PodAddress>? PodIPs { get; set; }
}

internal sealed class NodePodStatus : PodStatus
{
    public List<ContainerStatus>? ContainerStatuses { get; set; }

    public List<ContainerStatus>? InitContainerStatuses { get; set; }

    public List<ContainerStatus>? EphemeralContainerStatuses { get; set; }
}

internal sealed class PodAddress
{
    public string? Ip { get; set; }
}

internal sealed class ContainerStatus
{
    public string? Name { get; set; }

    /// <summary>The runtime's name, ://, and the id.</summary>
    [JsonPropertyName("containerID")]
    public string? ContainerId { get; set; }

    public ContainerState? State { get; set; }

    public ContainerState? LastState { get; set; }
}

internal sealed class ContainerState
{
    public ContainerEnd? Terminated { get; set; }
}

internal sealed class ContainerEnd
{
    [JsonPropertyName("containerID")]
    public string? ContainerId { get; set; }
}

internal sealed class ServiceObject : IApiObject
{
    public PlainMetadata? Metadata { get; set; }

    public ServiceSpec? Spec { get; set; }

    public ServiceStatus? Status { get; set; }

    IObjectMetadata? IApiObject.Metadata => Metadata;
}

internal sealed class ServiceSpec
{
    [JsonPropertyName("clusterIP")]
    public string? ClusterIP { get; set; }

    [JsonPropertyName("clusterIPs")]
    public List<string?>? ClusterIPs { get; set; }

    [JsonPropertyName("externalIPs")]
    public List<string?>? ExternalIPs { get; set; }
}

internal sealed class ServiceStatus
{
    public LoadBalancerStatus? LoadBalancer { get; set; }
}

internal sealed class LoadBalancerStatus
{
    public List<PodAddress>? Ingress { get; set; }
}

internal sealed class NodeObject : IApiObject
{
    public PlainMetadata? Metadata { get; set; }

    public NodeStatus? Status { get; set; }

    IObjectMetadata? IApiObject.Metadata => Metadata;
}

internal sealed class NodeStatus
{
    public List<NodeAddress>? Addresses { get; set; }
}

internal sealed class NodeAddress
{
    public string? Type { get; set; }

    public string? Address { get; set; }
}

internal sealed class ListMetadata
{
    public string? ResourceVersion { get; set; }

    public string? Continue { get; set; }
}

/// <summary>What the server says when it does not do what it was asked.</summary>
internal sealed class ApiStatus
{
    public int? Code { get; set; }

    public string? Reason { get; set; }

    public string? Message { get; set; }

    public ApiStatusDetails? Details { get; set; }
}

internal sealed class ApiStatusDetails
{
    public int? RetryAfterSeconds { get; set; }

    public List<ApiStatusCause>? Causes { get; set; }
}

internal sealed class ApiStatusCause
{
    public string? Reason { get; set; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(NodePod))]
[JsonSerializable(typeof(ClusterPod))]
[JsonSerializable(typeof(ServiceObject))]
[JsonSerializable(typeof(NodeObject))]
[JsonSerializable(typeof(OwnedObject))]
[JsonSerializable(typeof(ListMetadata))]
[JsonSerializable(typeof(ApiStatus))]
internal sealed partial class ApiJson : JsonSerializerContext;
