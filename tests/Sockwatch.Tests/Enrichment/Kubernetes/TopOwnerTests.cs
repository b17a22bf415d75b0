using System.Globalization;
using Sockwatch.Enrichment.Kubernetes;
using Sockwatch.Enrichment.Kubernetes.Api;

namespace Sockwatch.Tests.Enrichment.Kubernetes;

public sealed class TopOwnerTests
{
    private static readonly DateTimeOffset Created = DateTimeOffset.Parse("2026-11-25T10:00:30Z", CultureInfo.InvariantCulture);

    [Theory]
    [InlineData("ReplicaSet", "checkout-7c9f8d5b4", "7c9f8d5b4", "Deployment checkout")]
    [InlineData("ReplicaSet", "check-out-7c9f8d5b4", "7c9f8d5b4", "Deployment check-out")]
    [InlineData("ReplicaSet", "checkout", "7c9f8d5b4", "ReplicaSet checkout?")]
    [InlineData("ReplicaSet", "checkout-other", null, "ReplicaSet checkout-other?")]
    [InlineData("ReplicaSet", "-7c9f8d5b4", "7c9f8d5b4", "ReplicaSet -7c9f8d5b4?")]
    [InlineData("StatefulSet", "db", null, "StatefulSet db")]
    [InlineData("DaemonSet", "agent", null, "DaemonSet agent")]
    [InlineData("Node", "node-1", null, "Pod the-pod")]
    [InlineData("SparkApplication", "report", null, "SparkApplication report")]
    [InlineData("Job", "backup-29926680", null, "CronJob backup")]
    [InlineData("Job", "backup-29926679", null, "CronJob backup")]
    [InlineData("Job", "backup-20261125", null, "Job backup-20261125?")]
    [InlineData("Job", "migrate-1795600830", null, "Job migrate-1795600830?")]
    [InlineData("Job", "once", null, "Job once?")]
    [InlineData("Job", "-29926680", null, "Job -29926680?")]
    public void An_owner_is_told_from_the_pod_or_looked_up(string kind, string name, string? hash, string expected)
    {
        var group = kind switch { "ReplicaSet" => "apps/v1", "Job" => "batch/v1", "Node" => "v1", _ => "example.com/v1" };
        var owners = new List<OwnerReference>
        {
            new() { ApiVersion = "v1", Kind = "ConfigMap", Name = "no controller" },
            new() { ApiVersion = group, Kind = kind, Name = name, Controller = true },
        };

        var top = TopOwner.Of(new PlainMetadata { Namespace = "shop", Name = "the-pod", CreationTimestamp = Created }, owners, hash, null);

        Assert.Equal("shop", top.Workload.Namespace);
        Assert.Equal(expected, $"{top.Workload.Kind} {top.Workload.Name}{(top.LookUp is null ? "" : "?")}");
    }

    [Fact]
    public void A_pod_without_a_controller_stands_for_itself()
    {
        var top = TopOwner.Of(new PlainMetadata { Namespace = "shop", Name = "shell" }, null, null, null);

        Assert.Equal(new Sockwatch.Enrichment.Workload("shop", "Pod", "shell"), top.Workload);
    }

    [Fact]
    public void A_rollout_is_told_by_its_own_label()
    {
        var owners = new List<OwnerReference> { new() { ApiVersion = "apps/v1", Kind = "ReplicaSet", Name = "web-5d6f", Controller = true } };

        var top = TopOwner.Of(new PlainMetadata { Namespace = "shop", Name = "web-5d6f-x" }, owners, null, "5d6f");

        Assert.Equal(("Rollout", "web", null), (top.Workload.Kind, top.Workload.Name, top.LookUp));
    }

    [Fact]
    public void A_look_up_asks_for_one_object_by_its_escaped_name()
    {
        var owners = new List<OwnerReference> { new() { ApiVersion = "batch/v1", Kind = "Job", Name = "a b/../c", Controller = true } };

        var top = TopOwner.Of(new PlainMetadata { Namespace = "sh?op", Name = "x" }, owners, null, null);

        Assert.Equal("/apis/batch/v1/namespaces/sh%3Fop/jobs/a%20b%2F..%2Fc", top.LookUp);
    }
}
