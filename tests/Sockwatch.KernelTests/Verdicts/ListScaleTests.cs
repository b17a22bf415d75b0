using System.Diagnostics;
using System.Globalization;
using System.Text;
using Sockwatch.KernelTests.Agents;
using Sockwatch.KernelTests.Truth;

namespace Sockwatch.KernelTests.Verdicts;

/// <summary>A list of a million entries: how long it takes to be in force, what it holds of memory, and what a connection pays for it.</summary>
public class ListScaleTests(ITestOutputHelper output)
{
    private static readonly int s_entries = int.Parse(Environment.GetEnvironmentVariable("SOCKWATCH_LIST_ENTRIES") ?? "1000000", CultureInfo.InvariantCulture);

    [Fact]
    public async Task A_long_list_costs_little()
    {
        Requires.Bpf();
        var list = ListedAgent.WriteList(Entries(s_entries));
        var without = await MeasureAsync("", ("SOCKWATCH__VERDICTS__MAXADDED", "0"));
        var empty = await MeasureAsync(ListedAgent.WriteList("# none\n"));
        var full = await MeasureAsync(list);

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"""
            {s_entries} entries, {new FileInfo(list).Length >> 20} MiB of text: {full.InForce}
            ready in {full.Ready.TotalMilliseconds:F0} ms, {empty.Ready.TotalMilliseconds:F0} ms without; resident {full.Resident >> 20} MiB, {empty.Resident >> 20} MiB without
            kernel memory {full.KernelKiB - empty.KernelKiB} KiB more
            programs, a connection (both ends): {without.PerConnection:F0} ns without lists, {empty.PerConnection:F0} ns with none in force, {full.PerConnection:F0} ns with {s_entries} entries
            """));
        Assert.Equal(full.Connections * 2, full.Detections);
        Assert.Equal(0, empty.Detections);
    }

    private sealed record Measured(TimeSpan Ready, string InForce, long Resident, long KernelKiB, double PerConnection, double Connections, double Detections);

    private static async Task<Measured> MeasureAsync(string list, params (string, string)[] settings)
    {
        var memoryBefore = KernelKiB();
        await using var listed = await ListedAgent.StartAsync(list, [("SOCKWATCH__DIAGNOSTICS__PROGRAMSTATS", "on"), ("SOCKWATCH__FLOWLOG__TARGET", "/dev/null"), .. settings]);
        var kernel = KernelKiB() - memoryBefore;
        var before = await listed.Agent.ScrapeAsync();
        var (truth, _) = await LoadProgram.RunAsync("burst", "--rate", "2000", "--seconds", "4");
        using var __ = truth;
        var edges = TrueEdge.Of(truth.RootElement);
        var page = await listed.Agent.ScrapeUntilAsync(page => !edges.SelectMany(edge => edge.Differences(page)).Any(), TimeSpan.FromSeconds(10));
        var connections = truth.RootElement.GetProperty("connections").GetInt64();
        return new Measured(
            listed.Agent.StartTime,
            listed.Agent.Errors.Split('\n').FirstOrDefault(line => line.Contains("Addresses are matched")) ?? "",
            listed.Agent.ResidentBytes,
            kernel,
            (page.Sum("sockwatch_bpf_program_run_seconds_total") - before.Sum("sockwatch_bpf_program_run_seconds_total")) * 1e9 / connections,
            connections,
            page.Of("sockwatch_detections_total").Where(sample => sample["process_executable_name"].StartsWith("burst-")).Sum(sample => sample.Value));
    }

    // What is in no process: slabs and what is mapped for the kernel alone.
    private static long KernelKiB()
    {
        var memory = File.ReadAllLines("/proc/meminfo").Select(line => line.Split(':', StringSplitOptions.TrimEntries)).ToDictionary(
            line => line[0], line => long.Parse(line[1].Split(' ')[0], CultureInfo.InvariantCulture));
        return memory["Slab"] + memory["VmallocUsed"] + memory["Percpu"];
    }

    /// <summary>Single addresses for the most part, networks, and IPv6; and the loopback network, so that every connection is a hit.</summary>
    private static string Entries(int count)
    {
        var random = new Random(1);
        var text = new StringBuilder("127.0.0.0/8 detect 1 Loopback\n::1 detect 1 Loopback\n");
        for (var i = 2; i < count; i++)
        {
            var address = (uint)random.NextInt64(1L << 32);
            _ = (i % 20) switch
            {
                0 => text.Append(CultureInfo.InvariantCulture, $"2001:db8:{random.Next(0x10000):x}:{random.Next(0x10000):x}::{random.Next(0x10000):x} detect {i % 50} Name {i % 1000}\n"),
                1 => text.Append(CultureInfo.InvariantCulture, $"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.0/24 detect {i % 50} Name {i % 1000}\n"),
                _ => text.Append(CultureInfo.InvariantCulture, $"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255} detect {i % 50} Name {i % 1000}\n"),
            };
        }

        return text.ToString();
    }
}
