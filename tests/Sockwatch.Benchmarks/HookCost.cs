using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Sockwatch.Bpf;
using Sockwatch.Kernel;

namespace Sockwatch.Benchmarks;

/// <summary>
/// What the hooks add to socket calls: without programs, with empty programs on the same hooks, and with ours. The three
/// take turns, and "none" runs twice a round: what the two differ by is the noise of the machine.
/// </summary>
internal static class HookCost
{
    private static readonly (string Name, string[] Arguments)[] Workloads =
    [
        ("TCP send + recv of 1 byte", ["tcp", "--pairs", "20000", "--batches", "2", "--cpu", "1"]),
        ("UDP send + recv of 1 byte, connected", ["udp", "--pairs", "40000", "--batches", "2", "--cpu", "1"]),
        ("TCP connect, accept, close", ["cycle", "--count", "3000", "--batches", "2", "--cpu", "1"]),
    ];

    public static void Run(int rounds)
    {
        var root = FindRoot();
        var objects = Path.Combine(root, "artifacts/bpf");
        Environment.SetEnvironmentVariable("SOCKWATCH_BPF_DIR", objects);
        using var empty = BpfObject.Open(Path.Combine(root, "artifacts/bench/empty.bpf.o"));
        empty.Load();
        using var ours = Load(dnsNames: true);
        using var withoutDns = Load(dnsNames: false);
        var variants = new (string Name, Func<List<BpfLink>> Attach)[]
        {
            ("none", () => []),
            ("empty programs", () => AttachAll(empty)),
            ("sockwatch", () => AttachAll(ours.Object)),
            ("without DNS", () => AttachAll(withoutDns.Object)),
            ("none again", () => []),
        };

        using var ring = ours.Object.RingBuffer("flow_records");
        using var otherRing = withoutDns.Object.RingBuffer("flow_records");
        foreach (var (workload, arguments) in Workloads)
        {
            var all = variants.ToDictionary(variant => variant.Name, _ => new List<double>());
            for (var round = 0; round < rounds; round++)
            {
                foreach (var (name, attach) in variants)
                {
                    var links = attach();
                    all[name].Add(Measure(Path.Combine(root, "artifacts/load/pingpong"), arguments));
                    links.ForEach(link => link.Dispose());
                    ring.Drain(Discard.Instance);
                    otherRing.Drain(Discard.Instance);
                }
            }

            Console.WriteLine($"\n{workload}: {rounds} rounds, interleaved");
            Console.WriteLine("                      median    quartile   best     added to the median of none");
            var none = Quantile(all["none"], 0.5);
            foreach (var (name, _) in variants)
            {
                var median = Quantile(all[name], 0.5);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"  {name,-16} {median,8:F0} ns {Quantile(all[name], 0.25),8:F0} {all[name].Min(),8:F0}   {median - none,+7:F0} ns  {median / none,6:F3}x"));
            }
        }
    }

    private static KernelPrograms Load(bool dnsNames)
    {
        var programs = new ProgramLoader(
            new KernelOptions(), new FilterOptions(), WantedRecords.All, canTrace: true, NullLogger.Instance, dnsNames: dnsNames).Load();
        programs.PrepareMaps(new FilterOptions());
        return programs;
    }

    private static List<BpfLink> AttachAll(BpfObject programs) =>
    [
        .. programs.Programs.Where(program => program.Fd >= 0 && !program.Section.StartsWith("iter/", StringComparison.Ordinal)).Select(program =>
            program.Section.StartsWith("cgroup/", StringComparison.Ordinal)
                ? programs.AttachCgroup(program.Name, Cgroup2.FindMount())
                : programs.Attach(program.Name)),
    ];

    private static double Measure(string program, string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        var lines = process.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        process.WaitForExit();
        return lines.Min(line => double.Parse(line, CultureInfo.InvariantCulture));
    }

    private static double Quantile(List<double> values, double share) => values.Order().ElementAt((int)(values.Count * share));

    private static string FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Sockwatch.slnx")))
        {
            folder = Path.GetDirectoryName(folder)!;
        }

        return folder;
    }

    private sealed class Discard : IRecordConsumer
    {
        public static readonly Discard Instance = new();

        public void OnRecord(ReadOnlySpan<byte> record)
        {
        }
    }
}
