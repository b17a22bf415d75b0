using System.Text;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters;
using Sockwatch.Exporters.Otlp;
using Sockwatch.Kernel;
using Sockwatch.Tests.Exporters.Otlp;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Exporters;

/// <summary>A pod is deleted: its series leave the page and the pushes, and what they counted stays in the sums.</summary>
public sealed class DeletedOwnersTests
{
    private const ulong Pod = 7;
    private const ulong Successor = 8;

    private readonly ManualTime _time = new();
    private readonly FakeKernelTotals _kernel = new();
    private readonly Owners _owners = new();

    [Fact]
    public async Task Series_of_an_owner_that_is_gone_leave_both_faces_and_come_back_from_zero()
    {
        using var collector = Some.TrafficCollector(_kernel, _time, Some.TrafficTable(time: _time, owners: _owners));
        using var prometheus = new PrometheusExporter(new BuildInfo("0.1.0", "6.18.0"), new ExportFailures());
        await using var receiver = await OtlpReceiver.StartAsync(grpc: true);
        using var otlp = Some.OtlpMetrics(new OtlpOptions { Endpoint = receiver.Endpoint }, time: _time);
        _kernel.Count(Some.Edge("198.51.100.1", cgroup: Pod), Some.Bytes(5));
        _kernel.Count(Some.Edge("198.51.100.2", cgroup: 1), Some.Bytes(6));

        Assert.Equal("198.51.100.1=5 198.51.100.2=6 retired=0", await FacesAsync());

        // A minute after: still there, so that everybody has seen the last value.
        _owners.Gone.Add(Pod);
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal("198.51.100.1=5 198.51.100.2=6 retired=0", await FacesAsync());

        // In one collection the edge goes, in the next one the series.
        _time.Advance(TimeSpan.FromMinutes(1));
        await FacesAsync();
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal("198.51.100.2=6 retired=5", await FacesAsync());

        var before = _time.GetUtcNow();
        _time.Advance(TimeSpan.FromSeconds(5));
        _kernel.Count(Some.Edge("198.51.100.1", cgroup: Successor), Some.Bytes(2));
        Assert.Equal("198.51.100.1=2 198.51.100.2=6 retired=5", await FacesAsync());
        Assert.True(Io().Single(point => point.Value == 2).StartNs >= (ulong)(before - DateTimeOffset.UnixEpoch).Ticks * 100, "a new life, or the receiver would take it for one that went backwards");

        IEnumerable<OtlpPoint> Io() => receiver.Points.Where(point => point.Name == "sockwatch.socket.io");

        async Task<string> FacesAsync()
        {
            var report = await collector.FreshAsync(CancellationToken.None);
            receiver.Metrics.Clear();
            otlp.Push(report);
            using var page = new MemoryStream();
            await prometheus.RenderAsync(report, page, ExpositionFormat.PrometheusText, CancellationToken.None);
            var pushed = Io().Select(point => $"{point.Attributes["peer.name"]}={point.Value}");
            var shown = MetricLines(Encoding.UTF8.GetString(page.ToArray()));
            Assert.Equal(shown.Order(StringComparer.Ordinal), pushed.Order(StringComparer.Ordinal));
            return string.Join(' ', shown.Order(StringComparer.Ordinal).Append($"retired={report.Retired.Transmitted}"));
        }
    }

    [Fact]
    public void An_owner_that_is_gone_keeps_its_edges_while_a_socket_is_open()
    {
        var table = Some.TrafficTable(time: _time, owners: _owners);
        _owners.Gone.Add(Pod);
        table.Begin();
        table.OnEdge(Some.Edge(cgroup: Pod), Some.Bytes(5) with { Opened = 1 });
        table.Complete();
        _time.Advance(TimeSpan.FromMinutes(9));
        table.Begin();
        table.OnEdge(Some.Edge(cgroup: Pod), Some.Bytes(5) with { Opened = 1 });
        table.Complete();

        Assert.Empty(table.IdleEdges());
    }

    private static IEnumerable<string> MetricLines(string page) => page.Split('\n')
        .Where(line => line.StartsWith("sockwatch_socket_io_bytes_total{", StringComparison.Ordinal))
        .Select(line => $"{line.Split("peer_name=\"")[1].Split('"')[0]}={line[(line.LastIndexOf(' ') + 1)..]}");

    private sealed class Owners : IOwners
    {
        public HashSet<ulong> Gone { get; } = [];

        public bool IsGone(in EdgeKey key) => Gone.Contains(key.CgroupId);
    }
}
