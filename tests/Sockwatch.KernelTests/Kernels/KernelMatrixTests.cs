using System.Globalization;
using Sockwatch.KernelTests.Truth;

namespace Sockwatch.KernelTests.Kernels;

/// <summary>
/// The agent as it ships on other kernels, booted in QEMU: what the load program counted and what the agent counted are the
/// same to the byte, by every way into the kernel that the kernel offers.
/// </summary>
public class KernelMatrixTests(ITestOutputHelper output)
{
    private const int KernelRefuses = 1;
    private const int BadUsage = 2;

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

        if (run.ExitCode == BadUsage && run.AgentsLastWords.Contains("unknown option --backend"))
        {
            row.Print("skipped", run.Took, "this agent has no --backend");
            Assert.Skip("this agent has no --backend");
        }

        if (run.ExitCode == KernelRefuses)
        {
            row.Print("skipped", run.Took, run.AgentsLastWords);
            row.CompareWithDocument($"not offered: {run.AgentsLastWords}", page: null);
            Assert.Skip($"{run.Release}: {run.AgentsLastWords}");
        }

        Assert.True(run.ExitCode == 0, $"{run.Release}: the guest ended with {run.ExitCode}: {run.AgentsLastWords}\n{run.Notes}");
        var edges = run.Truth();
        var page = run.Page();
        var differences = edges.SelectMany(edge => edge.Differences(page)).ToList();
        var operations = edges.Sum(edge => edge.Operations.Values.Sum());

        output.WriteLine(run.Notes);
        row.Print(
            differences.Count == 0 && page.Losses == "" ? "exact" : "WRONG", run.Took,
            string.Create(CultureInfo.InvariantCulture, $"{operations} operations on {edges.Count} edges, kernel {run.Release}"));
        Assert.Equal("", page.Losses);
        Assert.Empty(differences);
        Assert.NotEqual(0, operations);
        row.CompareWithDocument("exact", page);
    }
}
