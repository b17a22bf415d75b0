using System.Globalization;
using System.Text.Json;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.Truth;

/// <summary>What a load program did on one edge, by its own count.</summary>
internal sealed record TrueEdge(
    string Executable, string Role, string Transport, string Type, string ServerPort,
    long BytesSent, long BytesReceived,
    IReadOnlyDictionary<(string Operation, string Error), long> Operations, IReadOnlySet<string> Unknown)
{
    public static IReadOnlyList<TrueEdge> Of(JsonElement scenario) =>
        scenario.TryGetProperty("edges", out var edges) ? [.. edges.EnumerateArray().Select(Parse)] : [];

    /// <summary>Scenarios may get the same ephemeral port one after the other: to the page that is one edge.</summary>
    public static IReadOnlyList<TrueEdge> Merge(IEnumerable<TrueEdge> edges) =>
    [
        .. edges.GroupBy(edge => edge.ToString()).Select(same => same.Aggregate((one, other) => one with
        {
            BytesSent = one.BytesSent + other.BytesSent,
            BytesReceived = one.BytesReceived + other.BytesReceived,
            Operations = one.Operations.Concat(other.Operations).GroupBy(operation => operation.Key)
                .ToDictionary(group => group.Key, group => group.Sum(operation => operation.Value)),
            Unknown = one.Unknown.Union(other.Unknown).ToHashSet(),
        })),
    ];

    /// <summary>What the page says differently, one line each; empty when it agrees to the byte.</summary>
    public IEnumerable<string> Differences(MetricPage page)
    {
        (string, string)[] edge =
        [
            ("process_executable_name", Executable), ("network_role", Role), ("network_transport", Transport),
            ("network_type", Type), ("server_port", ServerPort),
        ];
        foreach (var (direction, expected) in new[] { ("transmit", BytesSent), ("receive", BytesReceived) })
        {
            var counted = page.Sum("sockwatch_socket_io_bytes_total", [.. edge, ("network_io_direction", direction)]);
            if (counted != expected)
            {
                yield return $"{this}: {direction} {counted} B, was {expected} B";
            }
        }

        var operations = page.Of("sockwatch_socket_operations_total")
            .Where(sample => edge.All(label => sample[label.Item1] == label.Item2))
            .GroupBy(sample => (sample["socket_operation"], sample["error_type"]))
            .ToDictionary(group => group.Key, group => (long)group.Sum(sample => sample.Value));
        foreach (var key in operations.Keys.Union(Operations.Keys).Where(key => !Unknown.Contains(key.Item1)).Order())
        {
            var counted = operations.GetValueOrDefault(key);
            var expected = Operations.GetValueOrDefault(key);
            if (counted != expected)
            {
                yield return $"{this}: {key.Item1} {(key.Item2 == "" ? "ok" : key.Item2)} {counted}, was {expected}";
            }
        }
    }

    /// <summary>
    /// Operations that the page has fewer of than the load programs did, on whatever edge it has them: a connection whose beginning
    /// was not seen is met later, and may then be counted under another role or port.
    /// </summary>
    public static long MissingOperations(IReadOnlyList<TrueEdge> edges, MetricPage page) => edges
        .SelectMany(edge => edge.Operations.Where(operation => !edge.Unknown.Contains(operation.Key.Operation))
            .Select(operation => (Key: (edge.Executable, operation.Key.Operation, operation.Key.Error), operation.Value)))
        .GroupBy(operation => operation.Key, operation => operation.Value)
        .Sum(expected => Math.Max(expected.Sum() - (long)page.Sum(
            "sockwatch_socket_operations_total", ("process_executable_name", expected.Key.Executable),
            ("socket_operation", expected.Key.Operation), ("error_type", expected.Key.Error)), 0));

    public override string ToString() => $"{Executable} {Role} {Transport}/{Type} :{ServerPort}";

    private static TrueEdge Parse(JsonElement edge)
    {
        var operations = edge.GetProperty("operations").EnumerateObject()
            .SelectMany(operation => operation.Value.EnumerateObject()
                .Select(error => (Key: (operation.Name, error.Name), Count: error.Value.GetInt64())))
            .Where(operation => operation.Count != 0)
            .ToDictionary(operation => operation.Key, operation => operation.Count);
        var unknown = edge.TryGetProperty("operations_unknown", out var names)
            ? names.EnumerateArray().Select(name => name.GetString()!).ToHashSet()
            : [];
        return new TrueEdge(
            edge.GetProperty("executable").GetString()!,
            edge.GetProperty("role").GetString()!,
            edge.GetProperty("transport").GetString()!,
            edge.GetProperty("type").GetString()!,
            edge.GetProperty("server_port").GetInt32() is var port and > 0 ? port.ToString(CultureInfo.InvariantCulture) : "",
            edge.GetProperty("bytes_sent").GetInt64(),
            edge.GetProperty("bytes_received").GetInt64(),
            operations, unknown);
    }
}
