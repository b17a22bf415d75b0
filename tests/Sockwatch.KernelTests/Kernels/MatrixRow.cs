using System.Globalization;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.Kernels;

/// <summary>One kernel and one way into it: a line on the terminal, and a row of docs/kernels.md.</summary>
/// <param name="Backend">What --backend asked for; empty when the agent chose.</param>
internal sealed record MatrixRow(string Suite, string Backend)
{
    private const string Start = "<!-- matrix: start -->";
    private const string End = "<!-- matrix: end -->";

    private static readonly string[] Operations = ["connect", "accept", "send", "recv", "release"];
    private static readonly string[] Backends = ["auto", "tracepoint", "fentry", "kprobe"];

    // In the order of the document.
    private static readonly Dictionary<string, string> Kernels = new()
    {
        ["bullseye"] = "5.10 (Debian 11)",
        ["bookworm"] = "6.1 (Debian 12)",
        ["trixie"] = "6.12 (Debian 13)",
        ["unstable"] = "newest (Debian unstable)",
    };

    private string Kernel => Kernels[Suite];

    private string Asked => Backend.Length > 0 ? Backend : "auto";

    public void Print(string result, TimeSpan took, string detail) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture, $"  {Kernel,-26} {Asked,-10} {result,-7} {took.TotalSeconds,4:0} s  {detail}"));

    /// <summary>The document says what was just seen; with UPDATE_DOCS=1 it is made to.</summary>
    public void CompareWithDocument(string result, MetricPage? page)
    {
        var path = Path.Combine(Repository.Root, "docs/kernels.md");
        var row = $"{Head(Kernel, Asked)} {string.Join(" | ", Operations.Select(operation => Hooks(page, operation)))} | {result} |";
        var lines = File.ReadAllLines(path).ToList();
        var (start, end) = (lines.IndexOf(Start) + 1, lines.IndexOf(End));
        Assert.True(start > 0 && end >= start, $"docs/kernels.md has no table between '{Start}' and '{End}'");

        var rows = lines[start..end];
        if (Environment.GetEnvironmentVariable("UPDATE_DOCS") != "1")
        {
            Assert.True(
                rows.Contains(row),
                $"docs/kernels.md is behind, run 'UPDATE_DOCS=1 make test-kernels'. Seen:\n{row}\nWritten:\n{string.Join('\n', rows.Where(IsThis))}");
            return;
        }

        var order = Kernels.Values.SelectMany(kernel => Backends.Select(backend => Head(kernel, backend))).ToList();
        lines.RemoveRange(start, end - start);
        lines.InsertRange(start, rows.Where(line => !IsThis(line)).Append(row)
            .OrderBy(line => order.FindIndex(head => line.StartsWith(head, StringComparison.Ordinal))));
        File.WriteAllLines(path, lines);

        bool IsThis(string line) => line.StartsWith(Head(Kernel, Asked), StringComparison.Ordinal);

        static string Head(string kernel, string backend) => $"| {kernel} | `{backend}` |";
    }

    private static string Hooks(MetricPage? page, string operation) => page is null
        ? ""
        : string.Join(", ", page.Of("sockwatch_hook_info")
            .Where(hook => hook["operation"] == operation && hook["state"] == "attached")
            .Select(hook => hook["backend"])
            .Order(StringComparer.Ordinal));
}
