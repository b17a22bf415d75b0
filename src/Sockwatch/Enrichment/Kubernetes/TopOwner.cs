using System.Globalization;
using Sockwatch.Diagnostics;
using Sockwatch.Enrichment.Kubernetes.Api;

namespace Sockwatch.Enrichment.Kubernetes;

/// <summary>
/// From a pod to its top owner, by what the pod itself says: a Deployment's name is its ReplicaSet's without the hash that the
/// pod has as a label, a CronJob's is its Job's without the minute it was due. Where that is not certain, the owner has to be
/// looked up.
/// </summary>
/// <param name="LookUp">Path of the object whose controller is the top owner; null when the name is certain.</param>
internal readonly record struct TopOwner(Workload Workload, string? LookUp)
{
    public const string DeploymentHash = "pod-template-hash";
    public const string RolloutHash = "rollouts-pod-template-hash";

    private const string ReplicaSet = "ReplicaSet";
    private const string Job = "Job";

    // A Job can start late, and its pods be made again for as long as it is allowed to fail; a clock can be off.
    private static readonly TimeSpan LongestDelay = TimeSpan.FromDays(2);
    private static readonly TimeSpan Haste = TimeSpan.FromMinutes(10);

    public static TopOwner Of(ApiMetadata pod, List<OwnerReference>? owners, string? deploymentHash, string? rolloutHash)
    {
        var space = Short(pod.Namespace);
        if (Controller(owners) is not { Kind: { Length: > 0 } kind, Name: { Length: > 0 } name } controller)
        {
            return new(new Workload(space, "Pod", Short(pod.Name)), null);
        }

        var group = controller.ApiVersion ?? "";
        return kind switch
        {
            // The kubelet's own, from a file on the node.
            "Node" when group == "v1" => new(new Workload(space, "Pod", Short(pod.Name)), null),
            ReplicaSet when WithoutSuffix(name, deploymentHash) is { } deployment => new(new Workload(space, "Deployment", Short(deployment)), null),
            ReplicaSet when WithoutSuffix(name, rolloutHash) is { } rollout => new(new Workload(space, "Rollout", Short(rollout)), null),
            Job when CronJobOf(name, pod.CreationTimestamp) is { } cronJob => new(new Workload(space, "CronJob", Short(cronJob)), null),
            ReplicaSet when IsOfKubernetes(group, "apps/") => new(new Workload(space, kind, Short(name)), PathOf("apis/apps/v1", pod.Namespace, "replicasets", name)),
            Job when IsOfKubernetes(group, "batch/") => new(new Workload(space, kind, Short(name)), PathOf("apis/batch/v1", pod.Namespace, "jobs", name)),
            _ => new(new Workload(space, Short(kind), Short(name)), null),
        };
    }

    public static OwnerReference? Controller(List<OwnerReference>? owners) => owners?.Find(owner => owner is { Controller: true });

    /// <summary>Names are the cluster's, which is to say anybody's.</summary>
    public static string Short(string? name) => name is null ? "" : PrintableText.Of(name, EdgeNaming.MaxNameLength);

    private static bool IsOfKubernetes(string group, string expected) => group.StartsWith(expected, StringComparison.Ordinal);

    private static string? WithoutSuffix(string name, string? suffix) =>
        !string.IsNullOrEmpty(suffix) && name.Length > suffix.Length + 1 && name.EndsWith(suffix, StringComparison.Ordinal) && name[^(suffix.Length + 1)] == '-'
            ? name[..^(suffix.Length + 1)]
            : null;

    // Minutes since 1970. A date or a second that somebody put into a Job's name is none near by, and is looked up.
    private static string? CronJobOf(string job, DateTimeOffset? createdAt)
    {
        var dash = job.LastIndexOf('-');
        if (dash <= 0 || createdAt is not { } created
            || !long.TryParse(job.AsSpan(dash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var due)
            || due > uint.MaxValue)
        {
            return null;
        }

        var dueAt = DateTimeOffset.FromUnixTimeSeconds(due * 60);
        return created - dueAt < LongestDelay && dueAt - created < Haste ? job[..dash] : null;
    }

    private static string PathOf(string group, string? space, string resource, string name) =>
        $"/{group}/namespaces/{Uri.EscapeDataString(space ?? "")}/{resource}/{Uri.EscapeDataString(name)}";
}
