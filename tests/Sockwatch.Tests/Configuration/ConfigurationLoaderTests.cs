using System.Collections;
using Microsoft.Extensions.Configuration;
using Sockwatch.Configuration;
using Xunit;

namespace Sockwatch.Tests.Configuration;

public sealed class ConfigurationLoaderTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("sockwatch-configuration-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Reads_yaml_in_any_spelling_of_its_keys()
    {
        var configuration = Load("""
            kernel:
              maxEdges: 1000
              RINGBYTES: 64KiB
            Filters:
              ignoreLoopback: true
              excludePorts: [22, 53]
              excludeNetworks:
                - 10.0.0.0/8
                - fd00::/8
            collection: { interval: 10s }
            enrichment:
              networks:
                office: [192.0.2.0/24, 198.51.100.0/24]
                lab.example: 203.0.113.0/24
            stateDirectory: /var/lib/sockwatch
            """);

        Assert.Equal("1000", configuration["Kernel:MaxEdges"]);
        Assert.Equal("65536", configuration["Kernel:RingBytes"]);
        Assert.Equal("true", configuration["Filters:IgnoreLoopback"]);
        Assert.Equal(["22", "53"], Items(configuration, "Filters:ExcludePorts"));
        Assert.Equal(["10.0.0.0/8", "fd00::/8"], Items(configuration, "Filters:ExcludeNetworks"));
        Assert.Equal("00:00:10", configuration["Collection:Interval"]);
        Assert.Equal(["192.0.2.0/24", "198.51.100.0/24"], Items(configuration, "Enrichment:Networks:office"));
        Assert.Equal(["203.0.113.0/24"], Items(configuration, "Enrichment:Networks:lab.example"));
        Assert.Equal("/var/lib/sockwatch", configuration["StateDirectory"]);
    }

    [Fact]
    public void Reads_the_same_from_json()
    {
        var configuration = Load(
            """
            {
              "kernel": { "maxEdges": 1000 },
              "filters": { "ignoreLoopback": true, "excludePorts": [22, 53] },
              "enrichment": { "networks": { "office": ["192.0.2.0/24"] } }
            }
            """,
            "sockwatch.json");

        Assert.Equal("1000", configuration["Kernel:MaxEdges"]);
        Assert.Equal("true", configuration["Filters:IgnoreLoopback"]);
        Assert.Equal(["22", "53"], Items(configuration, "Filters:ExcludePorts"));
        Assert.Equal(["192.0.2.0/24"], Items(configuration, "Enrichment:Networks:office"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("# nothing but a comment\n")]
    [InlineData("kernel:\nhttp:\n")]
    public void An_empty_file_or_section_changes_nothing(string yaml) =>
        Assert.Empty(Load(yaml).AsEnumerable());

    [Fact]
    public void The_environment_wins_over_the_file_and_a_switch_over_both()
    {
        var environment = new Hashtable { ["SOCKWATCH__HTTP__LISTEN"] = ":2", ["SOCKWATCH__COLLECTION__INTERVAL"] = "2s" };

        var configuration = ConfigurationLoader.Load(
            Write("http: { listen: ':1' }\ncollection: { interval: 1s }\nlog: { level: debug }\n"),
            environment,
            [new SwitchValue("--listen", ":3")]);

        Assert.Equal(":3", configuration["Http:Listen"]);
        Assert.Equal("00:00:02", configuration["Collection:Interval"]);
        Assert.Equal("Debug", configuration["Log:Level"]);
    }

    [Fact]
    public void A_list_replaces_the_whole_list_below_it()
    {
        var environment = new Hashtable
        {
            ["SOCKWATCH__FILTERS__EXCLUDEPORTS"] = "80",
            ["SOCKWATCH__ENRICHMENT__NETWORKS__office"] = "192.0.2.0/24, 198.51.100.0/24",
        };

        var configuration = ConfigurationLoader.Load(Write("filters: { excludePorts: [22, 53] }\n"), environment, []);

        Assert.Equal(["80"], Items(configuration, "Filters:ExcludePorts"));
        Assert.Equal(["192.0.2.0/24", "198.51.100.0/24"], Items(configuration, "Enrichment:Networks:office"));
    }

    [Fact]
    public void Variables_of_others_are_no_concern_of_ours()
    {
        var environment = new Hashtable { ["SOCKWATCH_VERSION"] = "1", ["PATH"] = "/bin" };

        Assert.Empty(ConfigurationLoader.Load(null, environment, []).AsEnumerable());
    }

    [Theory]
    [InlineData("kernel:\n  maxEdge: 5\n", "line 2: unknown key kernel.maxEdge; the nearest known key is kernel.maxEdges")]
    [InlineData("kernle:\n  maxEdges: 5\n", "line 1: unknown key kernle; the nearest known key is kernel")]
    [InlineData("interval: 5s\n", "line 1: unknown key interval; the nearest known key is collection.interval")]
    [InlineData("http:\n  interval: 5s\n", "line 2: unknown key http.interval; the nearest known key is collection.interval")]
    [InlineData("kernel: 5\n", "line 1: kernel is a section; expected keys under it")]
    [InlineData("- a\n", "line 1: no keys; expected sections such as kernel: or http:")]
    [InlineData("hello\n", "line 1: no keys; expected sections such as kernel: or http:")]
    [InlineData("kernel:\n  maxEdges: 0\n", "line 2: kernel.maxEdges is \"0\"; expected a whole number from 1 to 16777216")]
    [InlineData("kernel:\n  maxEdges: many\n", "line 2: kernel.maxEdges is \"many\"; expected a whole number from 1 to 16777216")]
    [InlineData("kernel:\n  maxEdges:\n", "line 2: kernel.maxEdges is \"\"; expected a whole number from 1 to 16777216")]
    [InlineData("kernel:\n  maxEdges: [1]\n", "line 2: kernel.maxEdges is a list; expected a whole number from 1 to 16777216")]
    [InlineData("kernel:\n  maxEdges: { a: 1 }\n", "line 2: kernel.maxEdges is a section; expected a whole number from 1 to 16777216")]
    [InlineData("kernel:\n  ringBytes: 3MiB\n", "line 2: kernel.ringBytes is \"3MiB\"; expected a size that is a power of two from 64KiB to 1GiB, such as 8MiB")]
    [InlineData("filters:\n  ignoreIpv6: yes\n", "line 2: filters.ignoreIpv6 is \"yes\"; expected true or false")]
    [InlineData("filters:\n  excludePorts: [22, 70000]\n", "line 2: filters.excludePorts is \"70000\"; expected a whole number from 1 to 65535")]
    [InlineData("filters:\n  excludePorts: [[22]]\n", "line 2: filters.excludePorts is nested; expected a list, each item a whole number from 1 to 65535")]
    [InlineData("filters:\n  excludeNetworks: [10.1.2.3]\n", "line 2: filters.excludeNetworks is \"10.1.2.3\"; expected a network such as 10.0.0.0/8 or fd00::/8")]
    [InlineData("collection:\n  interval: 5\n", "line 2: collection.interval is \"5\"; expected a duration from 100ms to 1h, such as 5s or 1m30s")]
    [InlineData("reader:\n  updateInterval: 1ms\n", "line 2: reader.updateInterval is \"1ms\"; expected a duration from 1s to 1d, or 0, such as 5s or 1m30s")]
    [InlineData("flowLog:\n  format: xml\n", "line 2: flowLog.format is \"xml\"; expected json, text or auto")]
    [InlineData("flowLog:\n  target: ''\n", "line 2: flowLog.target is \"\"; expected - (standard output), none, or a file name")]
    [InlineData("log:\n  level: loud\n", "line 2: log.level is \"loud\"; expected trace, debug, info, warn or error")]
    [InlineData("http:\n  listen: localhost\n", "line 2: http.listen is \"localhost\"; expected ADDRESS:PORT such as 127.0.0.1:9807 or [::1]:9807, or :PORT for every address")]
    [InlineData("stateDirectory: state\n", "line 1: stateDirectory is \"state\"; expected an absolute path")]
    [InlineData("diagnostics:\n  programStats: maybe\n", "line 2: diagnostics.programStats is \"maybe\"; expected off, sampled or on")]
    [InlineData("enrichment:\n  networks:\n    office: [here]\n", "line 3: enrichment.networks.office is \"here\"; expected a network such as 10.0.0.0/8 or fd00::/8")]
    [InlineData("enrichment:\n  networks: [10.0.0.0/8]\n", "line 2: enrichment.networks is a list; expected names, each with a list, each item a network such as 10.0.0.0/8 or fd00::/8")]
    [InlineData("enrichment:\n  networks:\n    'a:b': 10.0.0.0/8\n", "line 3: enrichment.networks has the name \"a:b\"; expected printable text without a colon")]
    [InlineData("http:\n  listen: ':1'\n  LISTEN: ':2'\n", "line 3: http.LISTEN is set twice, first on line 2; expected one value")]
    [InlineData("? [a]\n: 1\n", "line 1: a key that is not text; expected a name")]
    [InlineData("http: {}\n---\nhttp: {}\n", "line 3: a second document; expected one")]
    public void Says_where_which_key_and_what_was_expected(string yaml, string message)
    {
        var path = Write(yaml);

        var failure = Assert.Throws<ConfigurationException>(() => ConfigurationLoader.Load(path, new Hashtable(), []));

        Assert.Equal($"{path}, {message}", failure.Message);
    }

    [Theory]
    [InlineData("kernel:\n  maxEdges: [1\n", "line ")]
    [InlineData("a: b: c\n", "line 1: not valid YAML: ")]
    [InlineData("http: *nobody\n", "line 1: not valid YAML: ")]
    [InlineData("http:\n  listen: ':1'\n  listen: ':2'\n", "line 3: not valid YAML: ")]
    public void Names_the_line_of_broken_yaml(string yaml, string message)
    {
        var path = Write(yaml);

        var failure = Assert.Throws<ConfigurationException>(() => ConfigurationLoader.Load(path, new Hashtable(), []));

        Assert.StartsWith($"{path}, {message}", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\n  \"kernel\": { \"maxEdge\": 5 }\n}", "line 2: unknown key kernel.maxEdge; the nearest known key is kernel.maxEdges")]
    [InlineData("{\n  \"kernel\": { \"maxEdges\": null }\n}", "line 2: kernel.maxEdges is \"\"; expected a whole number from 1 to 16777216")]
    [InlineData("{\n  \"kernel\": \n}", "line 3: not valid JSON: ")]
    [InlineData("{} {}", "line 1: not valid JSON: ")]
    [InlineData("{", "line 1: not valid JSON: ")]
    [InlineData("", "line 1: not valid JSON: ")]
    public void Names_the_line_of_a_mistake_in_json(string json, string message)
    {
        var path = Write(json, "sockwatch.json");

        var failure = Assert.Throws<ConfigurationException>(() => ConfigurationLoader.Load(path, new Hashtable(), []));

        Assert.StartsWith($"{path}, {message}", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Says_that_a_file_does_not_exist()
    {
        var path = Path.Combine(_folder, "missing.yaml");

        var failure = Assert.Throws<ConfigurationException>(() => ConfigurationLoader.Load(path, new Hashtable(), []));

        Assert.Equal($"configuration file {path} does not exist", failure.Message);
    }

    [Fact]
    public void Says_that_a_folder_is_no_file()
    {
        var failure = Assert.Throws<ConfigurationException>(() => ConfigurationLoader.Load(_folder, new Hashtable(), []));

        Assert.Equal($"configuration file {_folder} is a directory; expected a YAML or JSON file", failure.Message);
    }

    [Fact]
    public void Says_that_a_file_is_too_large()
    {
        var path = Write(new string('#', 2 * 1024 * 1024));

        var failure = Assert.Throws<ConfigurationException>(() => ConfigurationLoader.Load(path, new Hashtable(), []));

        Assert.Equal($"configuration file {path} is larger than 1 MiB; expected a YAML or JSON file", failure.Message);
    }

    [Theory]
    [InlineData("sockwatch.yaml")]
    [InlineData("sockwatch.json")]
    public void Says_that_a_file_is_no_text(string name)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, [(byte)'{', (byte)'"', 0xff, 0xfe, (byte)'"', (byte)':', (byte)'1', (byte)'}']);

        var failure = Assert.Throws<ConfigurationException>(() => ConfigurationLoader.Load(path, new Hashtable(), []));

        Assert.Equal($"{path} is not UTF-8 text; expected a YAML or JSON file", failure.Message);
    }

    [Fact]
    public void Aliases_cannot_fill_the_memory()
    {
        var yaml = "a: &a [x,x,x,x,x,x,x,x,x,x]\n";
        for (var letter = 'b'; letter <= 'j'; letter++)
        {
            var previous = $"*{(char)(letter - 1)}";
            yaml += $"{letter}: &{letter} [{string.Join(',', Enumerable.Repeat(previous, 10))}]\n";
        }

        var failure = Assert.Throws<ConfigurationException>(() => Load(yaml));

        Assert.Contains("too deep or too large", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("SOCKWATCH__KERNEL__MAXEDGE", "5", "environment variable SOCKWATCH__KERNEL__MAXEDGE: unknown key; the nearest known one is SOCKWATCH__KERNEL__MAXEDGES")]
    [InlineData("SOCKWATCH__KERNEL__MAXEDGES", "x", "environment variable SOCKWATCH__KERNEL__MAXEDGES: kernel.maxEdges is \"x\"; expected a whole number from 1 to 16777216")]
    [InlineData("SOCKWATCH__KERNEL", "x", "environment variable SOCKWATCH__KERNEL: unknown key; the nearest known section is kernel")]
    [InlineData("SOCKWATCH__FILTERS__EXCLUDEPORTS", "22,x", "environment variable SOCKWATCH__FILTERS__EXCLUDEPORTS: filters.excludePorts is \"x\"; expected a whole number from 1 to 65535")]
    public void Names_the_variable_that_is_wrong(string name, string value, string message)
    {
        var failure = Assert.Throws<ConfigurationException>(() => ConfigurationLoader.Load(null, new Hashtable { [name] = value }, []));

        Assert.Equal(message, failure.Message);
    }

    [Fact]
    public void Names_the_switch_that_is_wrong()
    {
        var failure = Assert.Throws<ConfigurationException>(() => ConfigurationLoader.Load(null, new Hashtable(), [new SwitchValue("--interval", "soon")]));

        Assert.Equal("--interval is \"soon\"; expected a duration from 100ms to 1h, such as 5s or 1m30s", failure.Message);
    }

    [Fact]
    public void A_hostile_value_stays_on_its_line()
    {
        var failure = Assert.Throws<ConfigurationException>(() => Load("http:\n  listen: \"a\\nb\\e[31m\"\n"));

        Assert.DoesNotContain('\n', failure.Message);
        Assert.DoesNotContain('\e', failure.Message);
    }

    [Theory]
    [InlineData("127.0.0.1:9807", true)]
    [InlineData("[::1]:0", true)]
    [InlineData(":9807", true)]
    [InlineData("::1:9807", false)]
    [InlineData("[127.0.0.1]:9807", false)]
    [InlineData("1:9807", false)]
    [InlineData("127.0.0.1:70000", false)]
    [InlineData("127.0.0.1:", false)]
    [InlineData("9807", false)]
    public void Knows_an_address_to_listen_on(string text, bool acceptable) =>
        Assert.Equal(acceptable, ValueRule.ListenAddress.Normalise(text) is not null);

    private static string[] Items(IConfiguration configuration, string key) =>
        [.. configuration.GetSection(key).GetChildren().Select(item => item.Value!)];

    private IConfigurationRoot Load(string content, string name = "sockwatch.yaml") =>
        ConfigurationLoader.Load(Write(content, name), new Hashtable(), []);

    private string Write(string content, string name = "sockwatch.yaml")
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, content);
        return path;
    }
}
