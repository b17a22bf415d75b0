using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Sockwatch.KernelTests.Agents;
using Sockwatch.Tests.Exporters.Otlp;

namespace Sockwatch.KernelTests.Faces;

/// <summary>One run of the agent that ships, all its faces: what they say of the same traffic is the same to the byte.</summary>
public sealed class OneReportTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_page_the_pushes_and_the_flow_records_add_up_to_the_same(bool grpc)
    {
        Requires.Bpf();
        await using var receiver = await OtlpReceiver.StartAsync(grpc);
        await using var agent = await RunningAgent.StartAsync(
            "--flow-log", "-", "--format", "json", "--otlp-endpoint", receiver.Endpoint, "--otlp-protocol", grpc ? "grpc" : "http/protobuf",
            "--config", Configuration());
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;

        const int connections = 25;
        for (var i = 1; i <= connections; i++)
        {
            using var client = new TcpClient();
            await client.ConnectAsync(IPAddress.Loopback, port);
            using var served = await listener.AcceptSocketAsync();
            await client.Client.SendAsync(new byte[i]);
            await served.ReceiveAsync(new byte[100]);
            await served.SendAsync(new byte[2 * i]);
            await client.Client.ReceiveAsync(new byte[100]);
        }

        const double up = connections * (connections + 1) / 2.0;
        var page = await agent.ScrapeUntilAsync(page => Page(page, port, "client", "transmit") == up, TimeSpan.FromSeconds(8));
        await UntilAsync(() => Pushed(receiver, port, "client", "transmit") == up && Ended(receiver, port).Count == 2 * connections);
        await agent.StopAsync();

        var lines = agent.Output.Select(line => JsonDocument.Parse(line).RootElement)
            .Where(line => line.GetProperty("event.name").GetString() == "flow.end" && IsOf(line, port)).ToList();
        foreach (var (role, direction, bytes) in ((string, string, double)[])
            [("client", "transmit", up), ("client", "receive", 2 * up), ("server", "transmit", 2 * up), ("server", "receive", up)])
        {
            var key = direction == "transmit" ? "flow.bytes.sent" : "flow.bytes.received";
            var logged = lines.Where(line => line.GetProperty("network.role").GetString() == role).Sum(line => line.GetProperty(key).GetInt64());
            var sentLogs = Ended(receiver, port).Where(log => (string)log.Attributes["network.role"] == role).Sum(log => (long)log.Attributes[key]);
            output.WriteLine($"{role} {direction}: page {Page(page, port, role, direction)}, pushed {Pushed(receiver, port, role, direction)}, JSON lines {logged}, log records {sentLogs}");
            Assert.Equal((bytes, bytes, (long)bytes, (long)bytes), (Page(page, port, role, direction), Pushed(receiver, port, role, direction), logged, sentLogs));
        }

        var spans = receiver.Spans.SelectMany(OtlpMessages.Spans).Where(span => (string)span.Attributes["process.executable.name"] != "" && IsOf(span.Attributes, port)).ToList();
        Assert.Equal(2 * connections, spans.Count);
        Assert.All(spans, span => Assert.Equal((string)span.Attributes["flow.id"], span.TraceId));
        Assert.Equal("", page.Losses);
    }

    private static string Configuration()
    {
        var path = Path.Combine(Directory.CreateTempSubdirectory("sockwatch-test-").FullName, "agent.yaml");
        File.WriteAllText(path, "otlp:\n  interval: 500ms\n  spans: true\n");
        return path;
    }

    private static double Page(MetricPage page, int port, string role, string direction) => page.Sum(
        "sockwatch_socket_io_bytes_total", ("server_port", $"{port}"), ("network_role", role), ("network_io_direction", direction));

    /// <summary>The last value of every series.</summary>
    private static double Pushed(OtlpReceiver receiver, int port, string role, string direction) => receiver.Points
        .Where(point => point.Name == "sockwatch.socket.io"
            && point.Attributes.GetValueOrDefault("server.port") == $"{port}"
            && point.Attributes.GetValueOrDefault("network.role") == role
            && point.Attributes["network.io.direction"] == direction)
        .GroupBy(point => point.Labels)
        .Sum(series => series.MaxBy(point => point.TimeNs)!.Value);

    private static List<OtlpLog> Ended(OtlpReceiver receiver, int port) =>
        [.. receiver.Logs.SelectMany(OtlpMessages.Logs).Where(log => log.EventName == "flow.end" && IsOf(log.Attributes, port))];

    private static bool IsOf(IReadOnlyDictionary<string, object> attributes, int port) =>
        attributes.GetValueOrDefault("network.peer.port") is long peer && peer == port
        || attributes.GetValueOrDefault("network.local.port") is long local && local == port;

    private static bool IsOf(JsonElement line, int port) =>
        (line.TryGetProperty("network.peer.port", out var peer) && peer.GetInt32() == port)
        || (line.TryGetProperty("network.local.port", out var local) && local.GetInt32() == port);

    private static async Task UntilAsync(Func<bool> condition)
    {
        var deadline = DateTime.UtcNow + TimeSpan.FromSeconds(15);
        while (!condition() && DateTime.UtcNow < deadline)
        {
            await Task.Delay(100);
        }
    }
}
