using System.Text.Json;
using k8s;
using k8s.Models;
using YamlDotNet.Serialization;

namespace Sockwatch.DeployTests.Chart;

/// <summary>The objects of a rendered chart.</summary>
internal static class Manifests
{
    private static readonly Dictionary<string, Func<string, object>> Readers = new()
    {
        ["Namespace"] = Strict<V1Namespace>,
        ["ServiceAccount"] = Strict<V1ServiceAccount>,
        ["ConfigMap"] = Strict<V1ConfigMap>,
        ["Secret"] = Strict<V1Secret>,
        ["ClusterRole"] = Strict<V1ClusterRole>,
        ["ClusterRoleBinding"] = Strict<V1ClusterRoleBinding>,
        ["Service"] = Strict<V1Service>,
        ["DaemonSet"] = Strict<V1DaemonSet>,
        ["NetworkPolicy"] = Strict<V1NetworkPolicy>,
        // Of the Prometheus operator, whose types no library here has.
        ["PodMonitor"] = Loose,
        ["ServiceMonitor"] = Loose,
        ["PrometheusRule"] = Loose,
    };

    /// <summary>Each object as the Kubernetes API describes its kind. A field that the kind does not have is an error.</summary>
    public static IReadOnlyList<object> Read(string yaml) =>
        [.. Documents(yaml).Select(document => Readers[KindOf(document)](document))];

    public static T Only<T>(string yaml) => Assert.Single(Read(yaml).OfType<T>());

    public static IEnumerable<string> Documents(string yaml) =>
        yaml.Split("---\n", StringSplitOptions.RemoveEmptyEntries).Where(document => document.Split('\n').Any(line => line.Length > 0 && line[0] != '#'));

    /// <summary>What the document means, however it is laid out.</summary>
    public static string Meaning(string document) => JsonSerializer.Serialize(new DeserializerBuilder().Build().Deserialize<object>(document));

    public static string KindOf(string document) =>
        document.Split('\n').First(line => line.StartsWith("kind: ", StringComparison.Ordinal))["kind: ".Length..];

    private static object Strict<T>(string document) => KubernetesYaml.Deserialize<T>(document, strict: true)!;

    private static Dictionary<string, object> Loose(string document) => KubernetesYaml.Deserialize<Dictionary<string, object>>(document);
}
