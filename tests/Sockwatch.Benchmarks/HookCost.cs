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
        ("TCP send + recv of 1 byte", ["tcp", "--pairs", "200000", "--batches", "3", "--cpu", "1"]),
        ("UDP send + recv of 1 byte, connected", ["udp", "--pairs", "200000", "--batches", "3", "--cpu", "1"]),
        ("TCP connect, accept, close", ["cycle", "--count", "10000", "--batches", "3", "--cpu", "1"]),
    ];

    public static void Run(int rounds)
    {
        var root = FindRoot();
        Environment.SetEnvironmentVariable("SOCKWATCH_BPF_DIR", Path.Combine(root, "artifacts/bpf"));
        var variants = new (string Name, Func<IDisposable?> Attach)[]
        {
            ("none", () => null),
            ("none again", () => null),
            ("empty programs", () => EmptyPrograms.Attach(Path.Combine(root, "artifacts/bpf/empty.bpf.o"))),
            ("sockwatch", AttachOurs),
        };

        foreach (var (workload, arguments) in Workloads)
        {
            var best = variants.ToDictionary(variant => variant.Name, _ => double.MaxValue);
            var all = variants.ToDictionary(variant => variant.Name, _ => new List<double>());
            for (var round = 0; round < rounds; round++)
            {
                foreach (var (name, attach) in variants)
                {
                    using var attached = attach();
                    var nanoseconds = Measure(Path.Combine(root, "artifacts/load/pingpong"), arguments);
                    best[name] = Math.Min(best[name], nanoseconds);
                    all[name].Add(nanoseconds);
                }
            }

            var none = Median(all["none"]);
            Console.WriteLine($"\n{workload}: median of {rounds} rounds, interleaved (best in brackets)");
            foreach (var (name, _) in variants)
            {
                var median = Median(all[name]);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"  {name,-16} {median,9:F0} ns ({best[name],7:F0})  {median - none,+7:F0} ns  {median / none,6:F3}x"));
            }
        }
    }

    private static KernelPrograms AttachOurs()
    {
        var programs = KernelPrograms.Load(new KernelOptions(), new FilterOptions(), flowRecords: true, traceUdpPeers: false, NullLogger.Instance);
        programs.PrepareMaps(new FilterOptions());
        programs.Attach();
        return programs;
    }

    private static double Measure(string program, string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        var lines = process.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        process.WaitForExit();
        return lines.Min(line => double.Parse(line, CultureInfo.InvariantCulture));
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private static string FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Sockwatch.slnx")))
        {
            folder = Path.GetDirectoryName(folder)!;
        }

        return folder;
    }

    private sealed class EmptyPrograms(BpfObject programs, List<BpfLink> links) : IDisposable
    {
        public static EmptyPrograms Attach(string path)
        {
            var programs = BpfObject.Open(path);
            programs.Load();
            return new EmptyPrograms(programs,
            [
                .. programs.Programs.Select(program => program.Section.StartsWith("cgroup/", StringComparison.Ordinal)
                    ? programs.AttachCgroup(program.Name, Cgroup2.FindMount())
                    : programs.Attach(program.Name)),
            ]);
        }

        public void Dispose()
        {
            links.ForEach(link => link.Dispose());
            programs.Dispose();
        }
    }
}
