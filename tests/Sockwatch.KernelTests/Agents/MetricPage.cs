using System.Globalization;
using System.Text.RegularExpressions;

namespace Sockwatch.KernelTests.Agents;

/// <summary>One line of /metrics.</summary>
internal sealed record Sample(string Name, IReadOnlyDictionary<string, string> Labels, double Value)
{
    /// <summary>The label's value; empty when absent, which Prometheus treats alike.</summary>
    public string this[string label] => Labels.GetValueOrDefault(label, "");
}

/// <summary>A scraped page.</summary>
internal sealed partial class MetricPage
{
    private MetricPage(IReadOnlyList<Sample> samples, int length)
    {
        Samples = samples;
        Length = length;
    }

    public IReadOnlyList<Sample> Samples { get; }

    public int Length { get; }

    /// <summary>Every count of sockwatch_lost_records_total that is not 0.</summary>
    public string Losses => string.Join(", ", Of("sockwatch_lost_records_total")
        .Where(sample => sample.Value != 0)
        .Select(sample => $"{sample["stage"]}/{sample["reason"]}={sample.Value}"));

    public static MetricPage Parse(string text) => new(
        [.. text.Split('\n').Where(line => line.Length > 0 && line[0] != '#').Select(ParseLine)], text.Length);

    /// <summary>What was lost for one reason.</summary>
    public long Lost(string reason) => (long)Sum("sockwatch_lost_records_total", ("reason", reason));

    public IEnumerable<Sample> Of(string name) => Samples.Where(sample => sample.Name == name);

    public double Sum(string name, params (string Label, string Value)[] labels) => Of(name)
        .Where(sample => labels.All(label => sample[label.Label] == label.Value))
        .Sum(sample => sample.Value);

    private static Sample ParseLine(string line)
    {
        var match = Line().Match(line);
        var labels = Label().Matches(match.Groups["labels"].Value).ToDictionary(
            label => label.Groups["name"].Value,
            label => label.Groups["value"].Value.Replace("\\n", "\n").Replace("\\\"", "\"").Replace("\\\\", "\\"));
        return new Sample(match.Groups["name"].Value, labels,
            double.Parse(match.Groups["value"].Value.Replace("+Inf", "Infinity"), CultureInfo.InvariantCulture));
    }

    [GeneratedRegex("""^(?<name>[a-zA-Z_:][\w:]*)(\{(?<labels>.*)\})? (?<value>\S+)( \d+)?$""")]
    private static partial Regex Line();

    [GeneratedRegex("""(?<name>\w+)="(?<value>(\\.|[^"\\])*)"(,|$)""")]
    private static partial Regex Label();
}
