using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Sockwatch.Bpf;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;
using Sockwatch.KernelTests.Agents;
using Sockwatch.Reader;
using Sockwatch.Verdicts;

namespace Sockwatch.KernelTests.Kernel;

/// <summary>Every place that states can be kept in counts the same, on this very kernel.</summary>
public class StateKeepingTests(ITestOutputHelper output)
{
    private const ushort Loopback = 3;

    [Theory]
    [InlineData(StateKeeping.Storage)]
    [InlineData(StateKeeping.Hash)]
    [InlineData(StateKeeping.PlainHash)]
    public async Task Counts_every_byte(object keeping)
    {
        Requires.Bpf();
        using var programs = Start(new KernelOptions(), (StateKeeping)keeping);
        using var stats = new ProgramStats(programs, Options.Create(new DiagnosticsOptions()), TimeProvider.System);
        using var totals = new KernelTotals(programs, stats);

        var (truth, _) = await LoadProgram.RunAsync("truth-client", "all", "--family", "4");
        truth.Dispose();

        var seen = await ReadAsync(totals);
        output.WriteLine($"{seen.Edges.Bytes[0]} bytes sent, {seen.Edges.Bytes[1]} received");
        Assert.True(seen.Edges.Bytes[0] > 1_000_000);
        Assert.Equal(seen.Observed.Transmitted, seen.Edges.Bytes[0]);
        Assert.Equal(seen.Observed.Received, seen.Edges.Bytes[1]);
        Assert.All(seen.Losses, loss => Assert.Equal(0UL, loss));
        Assert.NotEqual(0UL, seen.Edges.Detections);
    }

    /// <summary>One process gets no more than its share of the table, and what it does beyond is counted as its own.</summary>
    [Fact]
    public async Task Sockets_beyond_the_share_of_a_process_are_counted_as_its_own()
    {
        Requires.Bpf();
        using var programs = Start(new KernelOptions { MaxSockets = 4096, RingBytes = 64 * 1024 * 1024 }, StateKeeping.Hash);
        using var stats = new ProgramStats(programs, Options.Create(new DiagnosticsOptions()), TimeProvider.System);
        using var totals = new KernelTotals(programs, stats);

        using var many = LoadProgram.Start("many", "--sockets", "8000");
        await many.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
        var (truth, _) = await LoadProgram.RunAsync("truth-client", "send");
        truth.Dispose();
        var seen = await ReadAsync(totals);
        var held = programs.Object.CountEntries("socket_hash");
        many.StandardInput.Close();
        await many.WaitForExitAsync(TestContext.Current.CancellationToken);

        output.WriteLine($"{held} sockets followed; over its share {seen.Losses[(int)LossReason.SocketsQuota]} times");
        Assert.InRange(held!.Value, 1024, 3072);
        Assert.NotEqual(0UL, seen.Losses[(int)LossReason.SocketsQuota]);
        Assert.Equal(0UL, seen.Losses[(int)LossReason.SocketState]);
        Assert.Equal(seen.Observed.Transmitted, seen.Edges.Bytes[0]);
        Assert.True(programs.Object.CountEntries("socket_hash") < 200, "closed sockets should have left their places");
    }

    /// <summary>What finds no room is counted under the overflow edge, and said.</summary>
    [Fact]
    public async Task Sockets_beyond_the_limit_are_counted_together()
    {
        Requires.Bpf();
        using var programs = Start(new KernelOptions { MaxSockets = 4 }, StateKeeping.Hash);
        using var stats = new ProgramStats(programs, Options.Create(new DiagnosticsOptions()), TimeProvider.System);
        using var totals = new KernelTotals(programs, stats);

        var (truth, _) = await LoadProgram.RunAsync("truth-client", "all", "--family", "4");
        truth.Dispose();

        var seen = await ReadAsync(totals);
        Assert.NotEqual(0UL, seen.Losses[(int)LossReason.SocketState]);
        Assert.Equal(seen.Observed.Transmitted, seen.Edges.Bytes[0]);
        Assert.Equal(seen.Observed.Received, seen.Edges.Bytes[1]);
    }

    private static KernelPrograms Start(KernelOptions options, StateKeeping keeping) => new ProgramLoader(
        options, new FilterOptions(), WantedRecords.All, canTrace: false, NullLogger.Instance, keeping) { Lists = new LoopbackListed() }.Start();

    /// <summary>The machine is never quite silent: looks for a moment when all that was seen is also attributed.</summary>
    private static async Task<(Sums Edges, ObservedBytes Observed, ulong[] Losses)> ReadAsync(KernelTotals totals)
    {
        var losses = new ulong[LossReasons.Count];
        for (var attempt = 0; ; attempt++)
        {
            var edges = new Sums();
            totals.Flush();
            totals.ReadEdges(edges);
            var observed = totals.ReadObserved();
            if (attempt == 50 || (observed.Transmitted == edges.Bytes[0] && observed.Received == edges.Bytes[1]))
            {
                totals.ReadLosses(losses);
                return (edges, observed, losses);
            }

            await Task.Delay(100, TestContext.Current.CancellationToken);
        }
    }

    private sealed class Sums : IEdgeSink
    {
        public ulong[] Bytes { get; } = new ulong[2];

        public ulong Detections { get; private set; }

        public void OnEdge(in EdgeKey key, in EdgeTotals totals)
        {
            Bytes[0] += totals.BytesSent;
            Bytes[1] += totals.BytesReceived;
        }

        public void OnTimings(in EdgeKey key, in EdgeTimings timings)
        {
        }

        public void OnFailures(in EdgeFailureKey key, in EdgeFailures failures)
        {
        }

        public void OnDetections(in EdgeDetectionKey key, ulong count)
        {
            Assert.Equal(Loopback, key.Detection);
            Detections += count;
        }
    }

    /// <summary>Everything that the load programs do is with listed peers.</summary>
    private sealed class LoopbackListed : IKernelLists, IDisposable
    {
        private readonly KernelLists _lists = new();

        public int MaxAdded => 16;

        public void Install(BpfObject maps)
        {
            _lists.Use(maps);
            _lists.Replace([VerdictEntries.Pack(0x7F000000, 8, Loopback)], []);
        }

        public void Dispose() => _lists.Dispose();
    }
}
