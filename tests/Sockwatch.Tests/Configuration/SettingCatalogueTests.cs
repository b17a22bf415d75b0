using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Sockwatch.Aggregation;
using Sockwatch.Configuration;
using Sockwatch.Control;
using Sockwatch.Diagnostics;
using Sockwatch.Enrichment.Kubernetes;
using Sockwatch.Exporters;
using Sockwatch.Exporters.Otlp;
using Sockwatch.Kernel;
using Sockwatch.Reader;
using Sockwatch.Verdicts;
using Xunit;

namespace Sockwatch.Tests.Configuration;

public class SettingCatalogueTests
{
    private const string TableStart = "<!-- settings: start -->\n";
    private const string TableEnd = "<!-- settings: end -->";

    private static readonly (string Section, object Options)[] Sections =
    [
        ("kernel.", new KernelOptions()),
        ("filters.", new FilterOptions()),
        ("limits.", new LimitOptions()),
        ("verdicts.", new VerdictOptions()),
        ("collection.", new CollectionOptions()),
        ("aggregation.", new AggregationOptions()),
        ("reader.", new ReaderOptions()),
        ("http.", new HttpOptions()),
        ("flowLog.", new FlowLogOptions()),
        ("otlp.", new OtlpOptions()),
        ("kubernetes.", new KubernetesOptions()),
        ("control.", new ControlOptions()),
        ("log.", new LogOptions()),
        ("", new AgentOptions()),
        ("diagnostics.", new DiagnosticsOptions()),
    ];

    [Fact]
    public void Every_property_of_an_options_class_is_a_key_with_the_same_default()
    {
        foreach (var (section, options) in Sections)
        {
            foreach (var property in options.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance))
            {
                var setting = SettingCatalogue.Find(section + property.Name);
                Assert.True(setting is not null, $"{section}{property.Name} is missing from the catalogue");
                Assert.Equal(Text(property.GetValue(options)), setting.Default.Length == 0 ? "" : setting.Rule.Normalise(setting.Default));
            }
        }
    }

    [Fact]
    public void Every_default_keeps_its_own_rule() =>
        Assert.All(
            SettingCatalogue.All.Where(setting => setting.Shape == SettingShape.Single),
            setting => Assert.NotNull(setting.Rule.Normalise(setting.Default)));

    [Fact]
    public void What_is_configured_reaches_the_options()
    {
        var environment = new Hashtable
        {
            ["SOCKWATCH__KERNEL__RINGBYTES"] = "1MiB",
            ["SOCKWATCH__FILTERS__EXCLUDEPORTS"] = "22,53",
            ["SOCKWATCH__LOG__LEVEL"] = "warn",
            ["SOCKWATCH__DIAGNOSTICS__PROGRAMSTATS"] = "off",
            ["SOCKWATCH__STATEDIRECTORY"] = "/var/lib/sockwatch",
        };
        using var services = new ServiceCollection()
            .AddSingleton<IConfiguration>(ConfigurationLoader.Load(null, environment, []))
            .AddSettings()
            .AddKernel(new KernelUse(null, WantedRecords.None, Traces: false, DnsNames: false))
            .BuildServiceProvider();

        Assert.Equal(1_048_576, Options<KernelOptions>().RingBytes);
        Assert.Equal([22, 53], Options<FilterOptions>().ExcludePorts);
        Assert.Equal(Microsoft.Extensions.Logging.LogLevel.Warning, Options<LogOptions>().Level);
        Assert.Equal(ProgramStatsMode.Off, Options<DiagnosticsOptions>().ProgramStats);
        Assert.Equal("/var/lib/sockwatch", Options<AgentOptions>().StateDirectory);

        T Options<T>()
            where T : class => services.GetRequiredService<IOptions<T>>().Value;
    }

    [Fact]
    public void The_documentation_lists_every_key()
    {
        var path = Path.Combine(Path.GetDirectoryName(ThisFile())!, "../../../docs/configuration.md");
        var document = File.ReadAllText(path);
        var start = document.IndexOf(TableStart, StringComparison.Ordinal) + TableStart.Length;
        var end = document.IndexOf(TableEnd, StringComparison.Ordinal);
        if (Environment.GetEnvironmentVariable("UPDATE_DOCS") == "1")
        {
            File.WriteAllText(path, document[..start] + SettingCatalogue.ToMarkdown() + document[end..]);
            return;
        }

        Assert.True(document[start..end] == SettingCatalogue.ToMarkdown(), "docs/configuration.md differs from the code: run the tests with UPDATE_DOCS=1");
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;

    private static string Text(object? value) => value switch
    {
        bool flag => flag ? "true" : "false",
        TimeSpan duration => duration.ToString("c", CultureInfo.InvariantCulture),
        FlowLogFormat or ProgramStatsMode or BackendChoice or OtlpCompression or OtlpTemporality or KubernetesUse or KubernetesScope => value.ToString()!.ToLowerInvariant(),
        string text => text,
        IEnumerable list => string.Join(",", list.Cast<object>()),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };
}
