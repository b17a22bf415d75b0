using System.Text.RegularExpressions;
using Sockwatch.KernelTests.Payload;

namespace Sockwatch.KernelTests.Kernels;

/// <summary>Payload on other kernels: every byte that was sent and received, and its place, as on the kernel that the tests run on.</summary>
public partial class PayloadMatrixTests
{
    private const int Limit = 20_000;
    private const int KernelRefuses = 1;

    private static readonly IReadOnlyList<MatrixRow> s_rows =
    [
        new("bullseye", "amd64", ""),
        new("bookworm", "amd64", ""),
        new("trixie", "amd64", ""),
        new("trixie", "amd64", "kprobe"),
        new("unstable", "amd64", ""),
    ];

    private static readonly Dictionary<MatrixRow, Task<(string Folder, TimeSpan Took)>> s_boots = [];

    public static TheoryData<string, string> Rows => [.. s_rows.Select(row => (row.Suite, row.Backend))];

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Captures_every_byte_and_its_place_on(string suite, string backend)
    {
        var row = new MatrixRow(suite, "amd64", backend);
        var (folder, took) = await BootAsync(row);
        var log = GuestBoot.Read(folder, "trace.log");
        var exitCode = GuestBoot.Read(folder, "exit-code");
        if (exitCode == $"{KernelRefuses}" && GuestBoot.Read(folder, "trace.json").Length == 0)
        {
            NotOffered(row, took, log.Split('\n')[^1].Replace("sockwatch: ", ""));
        }

        Assert.True(exitCode == "0", $"the guest ended with {exitCode}\n{log}\n{GuestBoot.Read(folder, "console")}");
        var (sent, received) = (Hooks(log, "payload_send"), Hooks(log, "payload_recv"));
        if (sent.Length == 0)
        {
            NotOffered(row, took, "what applications send cannot be captured");
        }

        var captured = new CapturedRun(
            [.. CapturedRun.Families.SelectMany(family => SentPayload.Read(GuestBoot.Read(folder, $"payload-{family}.json")))],
            CapturedRecord.ReadAll(GuestBoot.Read(folder, "trace.json").Split('\n')), Limit,
            Receives: received.Length > 0, SeesPages: GuestBoot.Read(folder, "pages") != "0");
        var differences = captured.Differences();

        row.Print(differences.Count == 0 ? "exact" : "WRONG", took, $"{captured.Summary}; kernel {GuestBoot.Read(folder, "release")}");
        Assert.True(differences.Count == 0, $"{string.Join('\n', differences)}\n{log}");
        row.CompareWithDocument("docs/payload.md", [sent, received, captured.SeesPages ? "exact" : "exact, without sendfile and splice"]);
    }

    /// <summary>One boot keeps one processor busy, so the next rows boot while this one's result is awaited.</summary>
    private static async Task<(string Folder, TimeSpan Took)> BootAsync(MatrixRow row)
    {
        foreach (var next in s_rows.SkipWhile(other => other != row).Take(Environment.ProcessorCount).Where(next => !s_boots.ContainsKey(next)))
        {
            string[] parameters = next.Backend.Length > 0 ? [$"limit={Limit}", $"backend={next.Backend}"] : [$"limit={Limit}"];
            s_boots.Add(next, GuestBoot.RunAsync(next.Suite, "payload", $"payload-{next.Suite}-{next.Asked}", parameters));
        }

        return await s_boots[row];
    }

    private static void NotOffered(MatrixRow row, TimeSpan took, string reason)
    {
        row.Print("skipped", took, reason);
        row.CompareWithDocument("docs/payload.md", ["", "", $"not offered: {reason}"]);
        Assert.Skip(reason);
    }

    private static string Hooks(string log, string operation) =>
        AttachedPattern().Matches(log).Where(attached => attached.Groups["operation"].Value == operation)
            .Select(attached => attached.Groups["backends"].Value.Replace(" and ", ", ")).FirstOrDefault("");

    // "… process by tracepoint, payload_send by fentry, payload_recv by fentry"
    [GeneratedRegex("(?<operation>payload_[a-z]+) by (?<backends>[a-z]+( and [a-z]+)*)")]
    private static partial Regex AttachedPattern();
}
