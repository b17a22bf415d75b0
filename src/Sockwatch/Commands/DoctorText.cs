using System.Text;
using Sockwatch.Diagnostics;
using Spectre.Console;

namespace Sockwatch.Commands;

/// <summary>The report for people: a line for each requirement and operation, what is wrong with it below.</summary>
internal static class DoctorText
{
    private const int NameWidth = 14;
    private const int LongestText = 600;

    private static readonly Style Dim = new(Color.Grey);

    /// <summary>One line each, however long: for a file, a pipe or a terminal without manners.</summary>
    public static string ToText(DoctorReport report)
    {
        var text = new StringBuilder();
        foreach (var section in Sections(report))
        {
            foreach (var line in section)
            {
                text.Append(line.State is { } state ? Sign(state) : " ").Append(' ').Append(line.Name.PadRight(NameWidth)).Append("  ");
                text.AppendLine(line.Text);
            }

            text.AppendLine();
        }

        return text.AppendLine(Verdict(report)).ToString();
    }

    /// <summary>Texts are plain to Spectre: a name with brackets is no markup.</summary>
    public static void Show(IAnsiConsole console, DoctorReport report)
    {
        foreach (var section in Sections(report))
        {
            var grid = new Grid { Expand = false };
            grid.AddColumn(new GridColumn { NoWrap = true, Padding = new Padding(0, 0, 1, 0) });
            grid.AddColumn(new GridColumn { NoWrap = true, Width = NameWidth, Padding = new Padding(0, 0, 2, 0) });
            grid.AddColumn(new GridColumn { Padding = new Padding(0, 0, 0, 0) });
            foreach (var line in section)
            {
                var (sign, style) = line.State is { } state ? (Sign(state), StyleOf(state)) : ("", Style.Plain);
                grid.AddRow(new Text(sign, style), new Text(line.Name), new Text(line.Text, line.IsAside ? Dim : Style.Plain));
            }

            console.Write(grid);
            console.WriteLine();
        }

        console.Write(new Text(Verdict(report), StyleOf(report.CanRun ? DoctorState.Ok : DoctorState.Failed)));
        console.WriteLine();
    }

    private static IEnumerable<IReadOnlyList<Line>> Sections(DoctorReport report)
    {
        // What many things lack is mended once.
        var known = new HashSet<string>();
        yield return [.. Checks(report.Checks, known)];
        if (report.Hooks.Count > 0)
        {
            yield return [.. report.Hooks.GroupBy(need => need.Operation).SelectMany(operation => Operation(operation.Key, [.. operation], known))];
        }
    }

    private static IEnumerable<Line> Checks(IReadOnlyList<DoctorCheck> checks, HashSet<string> known)
    {
        var groups = new HashSet<string>();
        foreach (var check in checks)
        {
            if (check.State == DoctorState.Ok && check.Group is { } group)
            {
                if (group.Length > 0 && groups.Add(group))
                {
                    yield return new Line(DoctorState.Ok, group, string.Join(", ", checks
                        .Where(other => other.Group == group && other.State == DoctorState.Ok).Select(other => other.Name)));
                }

                continue;
            }

            yield return new Line(check.State, check.Name, Printable(check.Detail));
            if (check.Fix is not null)
            {
                known.Add(check.Fix);
                yield return Fix(check.Fix);
            }
        }
    }

    private static IEnumerable<Line> Operation(string operation, IReadOnlyList<HookNeed> needs, HashSet<string> known)
    {
        var state = needs.Max(DoctorReport.StateOf);
        var inUse = needs.Where(need => need.InUse is not null).Select(need => need.InUse!).ToList();
        yield return new Line(state, operation, inUse.Count > 0 ? Hooks(inUse) : "not seen");

        foreach (var refused in needs.SelectMany(need => need.Refused).GroupBy(candidate => (candidate.Backend, candidate.Refusal!.Reason)))
        {
            yield return Aside($"no {Hooks(refused)}: {refused.Key.Reason}");
        }

        var blind = needs.Where(need => need.InUse is null).ToList();
        if (blind.Count > 0)
        {
            yield return Aside($"cost: {string.Join("; ", blind.Select(need => need.Without).Distinct())}");
        }

        foreach (var fix in blind.SelectMany(need => need.Candidates).Select(candidate => candidate.Refusal?.Fix).OfType<string>().Distinct())
        {
            // A red line always has its fix; a lesser one does not repeat what was said before.
            if (known.Add(fix) || state == DoctorState.Failed)
            {
                yield return Fix(fix);
            }
        }
    }

    /// <summary>tracepoint a, cgroup b c</summary>
    private static string Hooks(IEnumerable<HookCandidate> candidates) => Printable(string.Join(", ", candidates
        .GroupBy(candidate => candidate.Backend, candidate => candidate.Hook)
        .Select(backend => $"{backend.Key} {string.Join(' ', backend.Distinct())}")));

    private static string Verdict(DoctorReport report) => report.Failures switch
    {
        0 => "This machine can run sockwatch.",
        1 => "This machine cannot run sockwatch yet: 1 requirement is not met.",
        var failures => $"This machine cannot run sockwatch yet: {failures} requirements are not met.",
    };

    private static Line Aside(string text) => new(null, "", Printable(text), IsAside: true);

    private static Line Fix(string text) => new(null, "", "fix: " + Printable(text));

    private static string Printable(string text) => PrintableText.Of(text, LongestText);

    private static string Sign(DoctorState state) => state switch
    {
        DoctorState.Ok => "✓",
        DoctorState.Warning => "!",
        _ => "✗",
    };

    private static Style StyleOf(DoctorState state) => new(state switch
    {
        DoctorState.Ok => Color.Green,
        DoctorState.Warning => Color.Yellow,
        _ => Color.Red,
    });

    private sealed record Line(DoctorState? State, string Name, string Text, bool IsAside = false);
}
