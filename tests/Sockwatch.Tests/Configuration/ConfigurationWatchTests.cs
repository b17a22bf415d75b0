using System.Collections;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Sockwatch.Configuration;
using Sockwatch.Enrichment;
using Sockwatch.Kernel;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Configuration;

public sealed class ConfigurationWatchTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("sockwatch-watch-").FullName;
    private readonly Lines _log = new();
    private readonly NetworkNames _networks = new(new NetworkTable(new Dictionary<string, List<string>>()));
    private readonly Hashtable _environment = [];
    private DateTime _writtenAt = new(2026, 11, 23, 0, 0, 0, DateTimeKind.Utc);

    private string File => Path.Combine(_folder, "sockwatch.yaml");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Networks_are_taken_over_once_the_file_rests()
    {
        Write("enrichment: { networks: { office: 192.0.2.0/24 } }");
        using var watch = await StartAsync();
        Assert.Equal("office", NameOf("192.0.2.1"));

        Write("enrichment: { networks: { lab: 192.0.2.0/24 } }");
        watch.Look();
        Assert.Equal("office", NameOf("192.0.2.1"));

        watch.Look();
        Assert.Equal("lab", NameOf("192.0.2.1"));
        Assert.Equal($"Took over enrichment.networks from {File}", Assert.Single(_log.All));

        watch.Look();
        Assert.Single(_log.All);
    }

    [Fact]
    public async Task A_signal_takes_over_at_once()
    {
        Write("enrichment: { networks: { office: 192.0.2.0/24 } }");
        using var watch = await StartAsync();
        Write("{}");

        watch.ReloadNow();

        Assert.Null(NameOf("192.0.2.1"));
    }

    [Theory]
    [InlineData("enrichment: { networks: { lab: 192.0.2.0/240 } }", "line 1", "enrichment.networks.lab")]
    [InlineData("enrichment:\n  netwroks: {}", "line 2", "enrichment.networks")]
    [InlineData("enrichment: [", "line", "sockwatch.yaml")]
    [InlineData("", "", "")]
    public async Task A_broken_file_changes_nothing_and_one_line_says_where(string content, string where, string what)
    {
        Write("enrichment: { networks: { office: 192.0.2.0/24 } }");
        using var watch = await StartAsync();
        if (content.Length == 0)
        {
            System.IO.File.Delete(File);
            (where, what) = ("does not exist", File);
        }
        else
        {
            Write(content);
        }

        watch.ReloadNow();

        Assert.Equal("office", NameOf("192.0.2.1"));
        var line = Assert.Single(_log.All);
        Assert.DoesNotContain('\n', line);
        Assert.Contains("what is in force stays", line, StringComparison.Ordinal);
        Assert.Contains(where, line, StringComparison.Ordinal);
        Assert.Contains(what, line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_only_counts_at_the_start_is_named()
    {
        Write("kernel: { maxEdges: 1000 }");
        using var watch = await StartAsync();
        Write("kernel: { maxEdges: 2000 }\nenrichment: { networks: { lab: 192.0.2.0/24 } }");

        watch.ReloadNow();

        Assert.Equal("lab", NameOf("192.0.2.1"));
        Assert.Equal([$"Took over enrichment.networks from {File}", $"Changes of kernel.maxEdges in {File} take a restart"], _log.All);
    }

    [Fact]
    public async Task A_link_that_is_turned_is_a_change()
    {
        System.IO.File.WriteAllText(Path.Combine(_folder, "old"), "enrichment: { networks: { office: 192.0.2.0/24 } }");
        System.IO.File.WriteAllText(Path.Combine(_folder, "new"), "enrichment: { networks: { laboratory: 192.0.2.0/24 } }");
        System.IO.File.CreateSymbolicLink(File, Path.Combine(_folder, "old"));
        using var watch = await StartAsync();
        System.IO.File.Delete(File);
        System.IO.File.CreateSymbolicLink(File, Path.Combine(_folder, "new"));

        watch.Look();
        watch.Look();

        Assert.Equal("laboratory", NameOf("192.0.2.1"));
    }

    [Fact]
    public async Task The_environment_still_comes_before_the_file()
    {
        _environment["SOCKWATCH__ENRICHMENT__NETWORKS__PINNED"] = "198.51.100.0/24";
        Write("{}");
        using var watch = await StartAsync();
        Write("enrichment: { networks: { lab: 192.0.2.0/24, pinned: 203.0.113.0/24 } }");

        watch.ReloadNow();

        Assert.Equal(("lab", "PINNED", null), (NameOf("192.0.2.1"), NameOf("198.51.100.1")?.ToUpperInvariant(), NameOf("203.0.113.1")));
    }

    [Fact]
    public async Task Without_a_file_there_is_nothing_to_watch()
    {
        using var watch = new ConfigurationWatch(null, [new NetworkReload(_networks)], new ManualTime(), _log);
        await watch.StartAsync(TestContext.Current.CancellationToken);

        watch.Look();
        watch.ReloadNow();
        await watch.StopAsync(TestContext.Current.CancellationToken);

        Assert.Empty(_log.All);
    }

    private string? NameOf(string address) => _networks.Find(Address16.Parse(address));

    private async Task<ConfigurationWatch> StartAsync()
    {
        var configuration = ConfigurationLoader.Load(File, _environment, []);
        var reload = new NetworkReload(_networks);
        reload.Reload(configuration);
        var watch = new ConfigurationWatch(configuration.Providers.OfType<OperatorSettings>().Single(), [reload], new ManualTime(), _log);
        await watch.StartAsync(TestContext.Current.CancellationToken);
        return watch;
    }

    // Each time later than before, however fast the test is.
    private void Write(string content)
    {
        System.IO.File.WriteAllText(File, content);
        System.IO.File.SetLastWriteTimeUtc(File, _writtenAt = _writtenAt.AddSeconds(1));
    }

    private sealed class Lines : ILogger<ConfigurationWatch>
    {
        public List<string> All { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            All.Add(formatter(state, exception));
    }
}
