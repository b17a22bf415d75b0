using System.Diagnostics;
using System.Globalization;
using System.Net;
using Microsoft.Extensions.Options;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters;
using Sockwatch.Kernel;

namespace Sockwatch.Benchmarks;

/// <summary>What a reading of the kernel's totals and a page cost, in time and allocations, by the number of edges.</summary>
internal static class ReadCost
{
    private const int Passes = 9;

    public static void Run()
    {
        Console.WriteLine("\nRecord -> totals -> page: median of 9 passes in which every edge has changed");
        Console.WriteLine("    edges   series    totals    per edge  allocated      page       size  allocated");
        foreach (var edges in new[] { 1_000, 10_000, 100_000 })
        {
            Measure(edges, series: 1_000);
            Measure(edges, series: 10_000);
        }
    }

    private static void Measure(int edges, int series)
    {
        var table = new TrafficTable(new NamedByPort(), Options.Create(new AggregationOptions { MaxSeries = 20_000 }), TimeProvider.System);
        using var exporter = new PrometheusExporter(new BuildInfo("bench", "bench"), new ExportFailures());
        using var page = new MemoryStream(64 << 20);
        var keys = Enumerable.Range(0, edges).Select(i => KeyOf(i, series)).ToArray();
        var folding = new List<(TimeSpan Took, long Allocated)>();
        var rendering = new List<(TimeSpan Took, long Allocated)>();
        for (ulong pass = 1; pass <= Passes + 2; pass++)
        {
            folding.Add(Timed(() =>
            {
                table.Begin();
                for (var i = 0; i < keys.Length; i++)
                {
                    table.OnEdge(keys[i], new EdgeTotals { BytesSent = pass * 100, BytesReceived = pass * 1000, Sends = pass, Receives = pass, Connects = 1, Opened = 1 });
                }

                table.Complete();
            }));

            var snapshot = table.Snapshot();
            var report = TrafficReport.Empty with { Series = snapshot, Budget = table.Budget(snapshot), Time = DateTimeOffset.UtcNow };
            rendering.Add(Timed(() =>
            {
                page.SetLength(0);
                exporter.RenderAsync(report, page, ExpositionFormat.PrometheusText, CancellationToken.None).GetAwaiter().GetResult();
            }));
        }

        // The first passes make the series; what is of interest is every pass after them.
        var fold = folding.Skip(2).OrderBy(pass => pass.Took).ElementAt(Passes / 2);
        var render = rendering.Skip(2).OrderBy(pass => pass.Took).ElementAt(Passes / 2);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"  {edges,7} {table.Snapshot().Length,8} {fold.Took.TotalMilliseconds,6:F1} ms {fold.Took.TotalNanoseconds / edges,8:F0} ns {fold.Allocated,8} B {render.Took.TotalMilliseconds,6:F1} ms {page.Length / 1024,7} KiB {render.Allocated / 1024,6} KiB"));
    }

    private static (TimeSpan Took, long Allocated) Timed(Action work)
    {
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        var clock = Stopwatch.StartNew();
        work();
        return (clock.Elapsed, GC.GetAllocatedBytesForCurrentThread() - allocated);
    }

    private static EdgeKey KeyOf(int i, int series) => new()
    {
        CgroupId = 1,
        ExecutableId = (ulong)(i % series) + 1,
        PeerAddress = Address16.From(new IPAddress([10, (byte)(i >> 16), (byte)(i >> 8), (byte)i])),
        ServerPort = 443,
        Role = NetworkRole.Client,
        Transport = 6,
        NetworkType = 4,
    };

    private sealed class NamedByPort : IEdgeNaming
    {
        private readonly Dictionary<ulong, EdgeAttributes> _names = [];

        public EdgeAttributes Name(in EdgeKey key)
        {
            if (!_names.TryGetValue(key.ExecutableId, out var name))
            {
                name = new EdgeAttributes("", "Process", $"program-{key.ExecutableId}", $"program-{key.ExecutableId}", "client", "private", "", "", "", "443", "tcp", "ipv4");
                _names.Add(key.ExecutableId, name);
            }

            return name;
        }
    }
}
