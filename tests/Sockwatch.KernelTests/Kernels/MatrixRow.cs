using System.Globalization;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.Kernels;

/// <summary>One kernel and one way into it: a line on the terminal, and a row of docs/kernels.md or another document.</summary>
/// <param name="Backend">What --backend asked for; empty when the agent chose.</param>
internal sealed record MatrixRow(string Suite, string Architecture, string Backend)
{
    /// <summary>In the order of the document.</summary>
    public static readonly IReadOnlyList<MatrixRow> All =
    [
        .. from suite in (string[])["bullseye", "bookworm", "trixie", "trixie-rt", "unstable"]
           from backend in (string[])["", "tracepoint", "fentry", "kprobe"]
           select new MatrixRow(suite, "amd64", backend),
        .. from backend in (string[])["", "tracepoint", "fentry"]
           select new MatrixRow("trixie", "arm64", backend),
    ];

    private const string Start = "<!-- matrix: start -->";
    private const string End = "<!-- matrix: end -->";

    private static readonly string[] Operations = ["connect", "accept", "send", "recv", "release"];

    private string Kernel => Suite switch
    {
        "bullseye" => "5.10 (Debian 11)",
        "bookworm" => "6.1 (Debian 12)",
        "trixie" => "6.12 (Debian 13)",
        "trixie-rt" => "6.12 real-time (Debian 13)",
        _ => "newest (Debian unstable)",
    } + (Architecture == "amd64" ? "" : $", {Architecture}");

    public string Asked => Backend.Length > 0 ? Backend : "auto";

    private string Head => $"| {Kernel} | `{Asked}` |";

    /// <summary>Trampolines on a kernel whose tasks may be taken off their processor anywhere: the agent does not choose them there.</summary>
    public bool MissesWhenPreempted(string release) =>
        Backend == "fentry" && (Suite.EndsWith("-rt", StringComparison.Ordinal)
            || (int.TryParse(release.Split('.')[0], CultureInfo.InvariantCulture, out var major) && major >= 7));

    public void Print(string result, TimeSpan took, string detail) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture, $"  {Kernel,-26} {Asked,-10} {result,-7} {took.TotalSeconds,4:0} s  {detail}"));

    /// <summary>The document says what was just seen; with UPDATE_DOCS=1 it is made to.</summary>
    public void CompareWithDocument(string result, MetricPage? page) =>
        CompareWithDocument("docs/kernels.md", [.. Operations.Select(operation => Hooks(page, operation)), result]);

    /// <param name="cells">What comes after the kernel and the way into it.</param>
    public void CompareWithDocument(string document, IEnumerable<string> cells)
    {
        var path = Path.Combine(Repository.Root, document);
        var row = $"{Head} {string.Join(" | ", cells)} |";
        var lines = File.ReadAllLines(path).ToList();
        var (start, end) = (lines.IndexOf(Start) + 1, lines.IndexOf(End));
        Assert.True(start > 0 && end >= start, $"{document} has no table between '{Start}' and '{End}'");

        var rows = lines[start..end];
        if (Environment.GetEnvironmentVariable("UPDATE_DOCS") != "1")
        {
            Assert.True(
                rows.Contains(row),
                $"{document} is behind, run 'UPDATE_DOCS=1 make test-kernels'. Seen:\n{row}\nWritten:\n{string.Join('\n', rows.Where(IsThis))}");
            return;
        }

        lines.RemoveRange(start, end - start);
        lines.InsertRange(start, rows.Where(line => !IsThis(line)).Append(row)
            .OrderBy(line => All.ToList().FindIndex(each => line.StartsWith(each.Head, StringComparison.Ordinal))));
        File.WriteAllLines(path, lines);

        bool IsThis(string line) => line.StartsWith(Head, StringComparison.Ordinal);
    }

    private static string Hooks(MetricPage? page, string operation) => page is null
        ? ""
        : string.Join(", ", page.Of("sockwatch_hook_info")
            .Where(hook => hook["operation"] == operation && hook["state"] == "attached")
            .Select(hook => hook["backend"])
            .Order(StringComparer.Ordinal));
}
