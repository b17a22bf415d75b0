using System.Runtime.CompilerServices;
using System.Text;
using System.Text.RegularExpressions;
using Sockwatch.Commands;
using Sockwatch.Configuration;
using Sockwatch.Exporters;

namespace Sockwatch.Tests.Documents;

/// <summary>What the documents name exists: metrics, settings, switches, files and headings.</summary>
public sealed partial class DocumentTests
{
    private static readonly string Root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "../../.."));

    public static TheoryData<string> Documents() =>
    [
        .. new[] { ".", "bpf", "deploy", "docs" }
            .Select(folder => Path.Combine(Root, folder))
            .Where(Directory.Exists)
            .SelectMany(folder => Directory.EnumerateFiles(
                folder, "*.md", folder == Path.Combine(Root, ".") ? SearchOption.TopDirectoryOnly : SearchOption.AllDirectories))
            .Select(path => Path.GetRelativePath(Root, path))
            .Order(StringComparer.Ordinal),
    ];

    [Fact]
    public void The_readme_is_among_the_documents() => Assert.Contains(Documents(), row => row.Data == "README.md");

    [Theory]
    [MemberData(nameof(Documents))]
    public void Names_only_metrics_that_exist(string document)
    {
        var known = MetricCatalogue.All.Select(metric => metric.PrometheusName)
            .Concat(MetricCatalogue.All.Where(metric => metric.Kind == MetricKind.Histogram).SelectMany(metric =>
                new[] { "_bucket", "_sum", "_count" }.Select(suffix => metric.PrometheusName + suffix)))
            .ToHashSet();

        var named = MetricName().Matches(Read(document)).Select(match => match.Value).Distinct();

        Assert.Empty(named.Except(known));
    }

    [Theory]
    [MemberData(nameof(Documents))]
    public void Names_only_settings_that_exist(string document)
    {
        var known = SettingCatalogue.All.Select(setting => setting.Key).ToHashSet();
        var sections = known.Where(key => key.Contains('.')).Select(key => key[..key.IndexOf('.')]).ToHashSet();

        var named = SettingKey().Matches(Read(document)).Select(match => match.Groups["key"].Value)
            .Where(key => sections.Contains(key[..key.IndexOf('.')])).Distinct();

        Assert.Empty(named.Except(known));
    }

    [Fact]
    public void The_readme_has_the_switches_of_run_and_no_others()
    {
        var run = RunCommand.Create(new CommandContext { Composition = new AgentComposition(), Terminal = Terminal.OfProcess() });

        var rows = SwitchRow().Matches(Read("README.md")).Select(match => match.Groups["switch"].Value);

        Assert.Equal(run.Options.Select(option => option.Name).Order(), rows.Order());
    }

    [Theory]
    [MemberData(nameof(Documents))]
    public void Every_relative_link_leads_somewhere(string document)
    {
        var folder = Path.GetDirectoryName(Path.Combine(Root, document))!;

        var dead = Link().Matches(WithoutCode(Read(document)))
            .Select(match => match.Groups["target"].Value)
            .Where(target => !target.Contains("://", StringComparison.Ordinal) && !target.StartsWith("mailto:", StringComparison.Ordinal))
            .Where(target => !Resolves(folder, document, target));

        Assert.Empty(dead);
    }

    private static bool Resolves(string folder, string document, string target)
    {
        var parts = target.Split('#', 2);
        var path = parts[0].Length == 0 ? Path.Combine(Root, document) : Path.GetFullPath(Path.Combine(folder, parts[0]));
        return parts.Length == 1
            ? File.Exists(path) || Directory.Exists(path)
            : File.Exists(path) && Heading().Matches(WithoutCode(File.ReadAllText(path))).Any(heading => Anchor(heading.Groups["text"].Value) == parts[1]);
    }

    // As the usual forges make it: lower case, hyphens for spaces, punctuation left out.
    private static string Anchor(string heading)
    {
        var anchor = new StringBuilder();
        foreach (var character in heading.Trim())
        {
            if (char.IsLetterOrDigit(character) || character is '-' or '_')
            {
                anchor.Append(char.ToLowerInvariant(character));
            }
            else if (character == ' ')
            {
                anchor.Append('-');
            }
        }

        return anchor.ToString();
    }

    private static string WithoutCode(string text) => Code().Replace(text, "");

    private static string Read(string document) => File.ReadAllText(Path.Combine(Root, document));

    private static string ThisFile([CallerFilePath] string path = "") => path;

    [GeneratedRegex(@"\bsockwatch_[a-z0-9_]+")]
    private static partial Regex MetricName();

    [GeneratedRegex(@"`(?<key>[a-z][A-Za-z]*\.[a-z][A-Za-z0-9]*)`")]
    private static partial Regex SettingKey();

    [GeneratedRegex(@"^\| `(?<switch>--[a-z-]+)", RegexOptions.Multiline)]
    private static partial Regex SwitchRow();

    [GeneratedRegex(@"\]\((?<target>[^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^#+ (?<text>.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex("^```.*?^```|`[^`\n]+`", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Code();
}
