using System.Globalization;
using Sockwatch.KernelTests.Agents;
using Sockwatch.KernelTests.Truth;

namespace Sockwatch.KernelTests.Kernels;

/// <summary>
/// The agent as it ships on other kernels, booted in QEMU: what the load program counted and what the agent counted are the
/// same to the byte, by every way into the kernel that the kernel offers.
/// </summary>
public class KernelMatrixTests(ITestOutputHelper output)
{
    private const int KernelRefuses = 1;

    // Of 128,000 operations.
    private const int MostTurnedAwayByInterrupts = 20;

    public static TheoryData<string, string, string> Rows =>
        [.. MatrixRow.All.Select(row => (row.Suite, row.Architecture, row.Backend))];

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Counts_exactly_on(string suite, string architecture, string backend)
    {
        var row = new MatrixRow(suite, architecture, backend);
        var run = await GuestRun.OfAsync(row);
        if (run.WhyNone is { } none)
        {
            row.Print("skipped", run.Took, none);
            Assert.Skip(none);
        }

        if (run.ExitCode == KernelRefuses && !run.WasReady)
        {
            row.Print("skipped", run.Took, run.AgentsLastWords);
            row.CompareWithDocument($"not offered: {run.AgentsLastWords}", page: null);
            Assert.Skip($"{run.Release}: {run.AgentsLastWords}");
        }

        Assert.True(run.ExitCode == 0, $"{run.Release}: the guest ended with {run.ExitCode}: {run.AgentsLastWords}\n{run.Notes}\n{run.Console}");
        var edges = run.Truth();
        var page = run.Page();
        var differences = edges.SelectMany(edge => edge.Differences(page)).ToList();
        var operations = edges.Sum(edge => edge.Operations.Values.Sum());
        var before = run.Before();
        differences.AddRange(before.Differences(page, run.Starts("before")));
        // By tracepoints an acceptor is known by its first use of the connection; functions show the accept itself.
        var atFirstUse = page.Of("sockwatch_hook_info").Any(hook => hook["operation"] == "accept" && hook["backend"] == "tracepoint");
        differences.AddRange(FlowStart.DifferencesOfAcceptors(run.Starts("truth-server"), run.Scenarios(), atFirstUse));

        output.WriteLine(run.Notes);
        if (row.MissesWhenPreempted(run.Release))
        {
            // Nobody gets this way unless they ask for it. What it misses is counted: a change of state that a program is kept from
            // may hide two operations, a connection's beginning and its end; what comes between is counted, if under another port.
            var missed = TrueEdge.MissingOperations(edges, page);
            row.Print("counted", run.Took, string.Create(
                CultureInfo.InvariantCulture, $"{missed} of {operations} operations missed, {page.Lost("program_recursion")} turned away, kernel {run.Release}"));
            Assert.InRange(missed, 0, 2 * page.Lost("program_recursion"));
            row.CompareWithDocument("operations are missed when a program is preempted, and counted as `program_recursion`", page);
            return;
        }

        if (TurnedAwayByInterrupts(page) is > 0 and var turnedAway)
        {
            var missed = TrueEdge.MissingOperations(edges, page);
            row.Print("counted", run.Took, string.Create(
                CultureInfo.InvariantCulture, $"{missed} of {operations} operations missed, {turnedAway} turned away by interrupts, kernel {run.Release}"));
            Assert.InRange(turnedAway, 1, MostTurnedAwayByInterrupts);
            Assert.InRange(missed, 0, 2 * turnedAway);
            Assert.Equal($"kernel/program_recursion={turnedAway}", page.Losses);
            row.CompareWithDocument("exact", page);
            return;
        }

        row.Print(
            differences.Count == 0 && page.Losses == "" ? "exact" : "WRONG", run.Took,
            string.Create(CultureInfo.InvariantCulture, $"{operations} operations on {edges.Count} edges, {run.Starts("truth-server").Count} acceptors, {before.Edges.Sum(edge => edge.Operations[("release", "")])} older sockets, kernel {run.Release}"));
        Assert.True(differences.Count == 0, $"{string.Join('\n', differences)}\nlost: {page.Losses}");
        Assert.Empty(run.AskedInVain(page));
        Assert.True(page.Losses == "", $"lost: {page.Losses}\n{run.TurnedAway}");
        Assert.NotEqual(0, operations);
        var counted = page.Of("sockwatch_detections_total").Where(sample => sample["process_executable_name"].StartsWith("truth-", StringComparison.Ordinal))
            .GroupBy(sample => $"{sample["network_role"]} {sample["network_transport"]} {sample["network_type"]}")
            .Select(kind => (kind.Key, kind.Sum(sample => sample.Value))).Order().ToList();
        output.WriteLine($"contacts with listed peers: {string.Join(", ", counted.Select(kind => $"{kind.Key} {kind.Item2}"))}");
        Assert.Equal(counted, run.Detections());
        Assert.Equal(8, counted.Count); // client and server, tcp and udp, ipv4 and ipv6
        row.CompareWithDocument("exact", page);
    }

    [Fact]
    public async Task Counts_exactly_where_the_kernel_has_no_types_of_its_own()
    {
        var (folder, took) = await GuestBoot.RunAsync("trixie", "matrix", "trixie-types-from-a-file", "btf=file");
        var run = new GuestRun(folder, whyNone: null, took);
        Assert.True(run.ExitCode == 0, $"the guest ended with {run.ExitCode}: {run.AgentsLastWords}");

        GuestBoot.Print(folder, "types from a file", took);
        CompareExactlyOrAsCounted(run);
        Assert.Empty(run.AskedInVain(run.Page()));
    }

    /// <summary>
    /// On loopback a packet is worked through by who sent it. With a network card it comes by interrupt, into the midst of whatever runs there,
    /// programs too, which the kernel does not run twice on a processor at a time: their deputies stand in.
    /// </summary>
    [Theory]
    [InlineData("tracepoint")]
    [InlineData("kprobe")]
    public async Task Counts_exactly_where_packets_come_by_interrupt(string backend)
    {
        var (folder, took) = await GuestBoot.RunAsync("trixie", "matrix", $"trixie-interrupts-{backend}", "interrupts=yes", "rounds=200", $"backend={backend}");
        var run = new GuestRun(folder, whyNone: null, took);
        Assert.True(run.ExitCode == 0, $"the guest ended with {run.ExitCode}: {run.AgentsLastWords}\n{run.Notes}");

        GuestBoot.Print(folder, $"by interrupts, {backend}", took);
        output.WriteLine(run.TurnedAway);
        CompareExactlyOrAsCounted(run);
        Assert.SkipWhen(run.TurnedAway.Split('\n').Length < 2, "all was counted, and nothing came into the midst of a program");
    }

    /// <summary>
    /// By breakpoints the kernel lets one program run on a processor at a time. What an interrupt brings in the midst of one is turned away
    /// and counted, where no deputy sees it: a few of 100,000 operations, now and then. By every other way there is none of that.
    /// </summary>
    private static long TurnedAwayByInterrupts(MetricPage page) =>
        page.Of("sockwatch_hook_info").Any(hook => hook["backend"] == "kprobe" && hook["state"] == "attached" && hook["operation"] is "send" or "recv")
            ? page.Lost("program_recursion")
            : 0;

    private void CompareExactlyOrAsCounted(GuestRun run)
    {
        var page = run.Page();
        var edges = run.Truth();
        var turnedAway = TurnedAwayByInterrupts(page);
        output.WriteLine($"{edges.Sum(edge => edge.Operations.Values.Sum())} operations, {turnedAway} turned away by interrupts");
        Assert.InRange(turnedAway, 0, MostTurnedAwayByInterrupts);
        Assert.Equal(turnedAway > 0 ? $"kernel/program_recursion={turnedAway}" : "", page.Losses);
        if (turnedAway > 0)
        {
            Assert.InRange(TrueEdge.MissingOperations(edges, page), 0, 2 * turnedAway);
            return;
        }

        Assert.Empty(edges.SelectMany(edge => edge.Differences(page)));
        Assert.Empty(run.Before().Differences(page, run.Starts("before")));
    }
}
