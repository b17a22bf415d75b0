using System.Collections.Immutable;
using System.Text.Json.Nodes;

namespace Sockwatch.Tests.Enrichment.Kubernetes.Server;

/// <summary>A pod as a test describes it, written with all the fields that make real ones long.</summary>
internal sealed record Pod(string Name, string Namespace = "shop", string Node = "node-1")
{
    public string Uid { get; init; } = Guid.NewGuid().ToString();

    /// <summary>Kind and name of the controller.</summary>
    public (string Kind, string Name)? Owner { get; init; }

    public string[] Ips { get; init; } = [];

    public bool HostNetwork { get; init; }

    public string Phase { get; init; } = "Running";

    public DateTimeOffset Created { get; init; } = DateTimeOffset.UtcNow;

    public (string Name, string Id)[] Containers { get; init; } = [];

    public (string Key, string Value)[] Labels { get; init; } = [];

    public (string Key, string Value)[] Annotations { get; init; } = [];

    public string Key => $"{Namespace}/{Name}";

    public (string Field, string Value)[] Fields =>
        [("spec.nodeName", Node), ("status.phase", Phase), ("metadata.name", Name), ("metadata.namespace", Namespace)];

    public string Json(long version)
    {
        var metadata = new JsonObject
        {
            ["name"] = Name,
            ["generateName"] = $"{Owner?.Name}-",
            ["namespace"] = Namespace,
            ["uid"] = Uid,
            ["resourceVersion"] = $"{version}",
            ["creationTimestamp"] = Created.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture),
            ["labels"] = new JsonObject(Labels.Select(label => KeyValuePair.Create<string, JsonNode?>(label.Key, label.Value))),
            ["annotations"] = new JsonObject(Annotations.Select(one => KeyValuePair.Create<string, JsonNode?>(one.Key, one.Value))),
            ["managedFields"] = new JsonArray(new JsonObject { ["manager"] = "kubelet", ["fieldsV1"] = new JsonObject { ["f:status"] = new JsonObject { ["f:conditions"] = new JsonObject() } } }),
        };
        if (Owner is { } owner)
        {
            metadata["ownerReferences"] = new JsonArray(
                new JsonObject { ["apiVersion"] = "v1", ["kind"] = "ConfigMap", ["name"] = "not-the-controller", ["uid"] = "x" },
                new JsonObject { ["apiVersion"] = GroupOf(owner.Kind), ["kind"] = owner.Kind, ["name"] = owner.Name, ["uid"] = "y", ["controller"] = true, ["blockOwnerDeletion"] = true });
        }

        var spec = new JsonObject
        {
            ["nodeName"] = Node,
            ["containers"] = new JsonArray(new JsonObject { ["name"] = "main", ["image"] = "registry.example/app:1", ["env"] = new JsonArray(new JsonObject { ["name"] = "A", ["value"] = "{[\\\"]}" }) }),
        };
        if (HostNetwork)
        {
            spec["hostNetwork"] = true;
        }

        var status = new JsonObject
        {
            ["phase"] = Phase,
            ["conditions"] = new JsonArray(new JsonObject { ["type"] = "Ready", ["status"] = "True", ["lastProbeTime"] = null }),
            ["containerStatuses"] = new JsonArray([.. Containers.Select(container => new JsonObject
            {
                ["name"] = container.Name,
                ["containerID"] = $"containerd://{container.Id}",
                ["state"] = new JsonObject { ["running"] = new JsonObject { ["startedAt"] = "2026-11-25T10:00:00Z" } },
                ["lastState"] = new JsonObject(),
                ["ready"] = true,
            })]),
        };
        if (Ips.Length > 0)
        {
            status["podIP"] = Ips[0];
            status["podIPs"] = new JsonArray([.. Ips.Select(ip => new JsonObject { ["ip"] = ip })]);
        }

        return new JsonObject { ["kind"] = "Pod", ["apiVersion"] = "v1", ["metadata"] = metadata, ["spec"] = spec, ["status"] = status }.ToJsonString();
    }

    public StoredObject Stored() => new("pods", Key, 0, Fields.ToImmutableDictionary(field => field.Field, field => field.Value), Json);

    private static string GroupOf(string kind) => kind switch
    {
        "ReplicaSet" or "StatefulSet" or "DaemonSet" => "apps/v1",
        "Job" => "batch/v1",
        "Node" => "v1",
        _ => "example.com/v1alpha1",
    };
}

internal static class ApiStoreObjects
{
    public static void Put(this ApiStore store, Pod pod) => store.Put("pods", pod.Key, pod.Json, pod.Fields);

    public static void Delete(this ApiStore store, Pod pod) => store.Delete("pods", pod.Key);

    public static void PutService(this ApiStore store, string @namespace, string name, string[] clusterIps, string[]? externalIps = null, string[]? loadBalancer = null, string? uid = null) =>
        store.Put("services", $"{@namespace}/{name}", version => new JsonObject
        {
            ["kind"] = "Service",
            ["metadata"] = Metadata(@namespace, name, uid ?? $"service {name}", version),
            ["spec"] = new JsonObject
            {
                ["clusterIP"] = clusterIps[0],
                ["clusterIPs"] = Texts(clusterIps),
                ["externalIPs"] = Texts(externalIps ?? []),
            },
            ["status"] = new JsonObject
            {
                ["loadBalancer"] = new JsonObject
                {
                    ["ingress"] = new JsonArray([.. (loadBalancer ?? []).Select(ip => new JsonObject { ["ip"] = ip })]),
                },
            },
        }.ToJsonString());

    public static void PutNode(this ApiStore store, string name, params string[] ips) =>
        store.Put("nodes", name, version => new JsonObject
        {
            ["kind"] = "Node",
            ["metadata"] = Metadata(null, name, $"node {name}", version),
            ["status"] = new JsonObject
            {
                ["addresses"] = new JsonArray(
                [
                    .. ips.Select(ip => new JsonObject { ["type"] = "InternalIP", ["address"] = ip }),
                    new JsonObject { ["type"] = "Hostname", ["address"] = name },
                ]),
            },
        }.ToJsonString());

    /// <summary>A ReplicaSet or Job, for its owner.</summary>
    public static void PutOwned(this ApiStore store, string resource, string @namespace, string name, string ownerKind, string ownerName) =>
        store.Put(resource, $"{@namespace}/{name}", version =>
        {
            var metadata = Metadata(@namespace, name, $"{resource} {name}", version);
            metadata["ownerReferences"] = new JsonArray(new JsonObject { ["kind"] = ownerKind, ["name"] = ownerName, ["controller"] = true });
            return new JsonObject { ["metadata"] = metadata, ["spec"] = new JsonObject { ["template"] = "long" } }.ToJsonString();
        });

    private static JsonObject Metadata(string? @namespace, string name, string uid, long version) => new()
    {
        ["name"] = name,
        ["namespace"] = @namespace,
        ["uid"] = uid,
        ["resourceVersion"] = $"{version}",
        ["creationTimestamp"] = "2026-11-20T08:00:00Z",
    };

    private static JsonArray Texts(string[] texts) => new([.. texts.Select(text => JsonValue.Create(text))]);
}
