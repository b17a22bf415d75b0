namespace Sockwatch.Enrichment.Kubernetes;

/// <summary>What is asked of the Kubernetes API server, and how much of the answers is kept.</summary>
internal sealed class KubernetesOptions
{
    public KubernetesUse Enabled { get; set; } = KubernetesUse.Auto;

    /// <summary>Whose addresses have names. Everybody's means that every node follows all pods.</summary>
    public KubernetesScope Scope { get; set; } = KubernetesScope.Cluster;

    /// <summary>How to reach the API server from outside a pod.</summary>
    public string Kubeconfig { get; set; } = "";

    /// <summary>The node whose pods are followed; NODE_NAME, then K8S_NODE_NAME, then the host's name, when empty.</summary>
    public string NodeName { get; set; } = "";

    /// <summary>Labels of the local pod that its flow records carry, as k8s.pod.label.KEY.</summary>
    public IList<string> PodLabels { get; } = [];

    /// <summary>The same of annotations, as k8s.pod.annotation.KEY.</summary>
    public IList<string> PodAnnotations { get; } = [];

    /// <summary>How long pods and addresses that are gone keep their names.</summary>
    public TimeSpan KeepDeleted { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How long a flow of a pod that is not known yet may wait for its name; 0 never waits.</summary>
    public TimeSpan NameWait { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>Whether flow records say who is behind a service, by the kernel's connection tracking.</summary>
    public bool ServiceBackends { get; set; }

    /// <summary>Pods, services and nodes kept at once. Past this, new ones have no name.</summary>
    public int MaxObjects { get; set; } = 150_000;
}

internal enum KubernetesUse
{
    /// <summary>On in a pod that has a service account's token, and where a kubeconfig is given.</summary>
    Auto,
    On,
    Off,
}

internal enum KubernetesScope
{
    Cluster,

    /// <summary>Pods of this node, and services.</summary>
    Node,

    /// <summary>No names for addresses; pods of this node still have theirs.</summary>
    Off,
}
