using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.DeployTests.Packages;

/// <summary>The Debian package, the tarball and the packed chart, from the agent that make has built.</summary>
public sealed partial class PackageTests(ITestOutputHelper output)
{
    // Compressing takes its time, so each is made once.
    private static readonly Dictionary<string, Task<Ended>> s_made = [];

    private static string Processor => RuntimeInformation.OSArchitecture == Architecture.Arm64 ? "arm64" : "amd64";

    private static string Version { get; } =
        VersionElement().Match(File.ReadAllText(Path.Combine(Repository.Root, "Directory.Build.props"))).Groups["version"].Value;

    [Fact]
    public async Task The_package_installs_runs_and_goes()
    {
        Requires.Root();
        var dpkg = Requires.Program("dpkg", "dpkg");
        var package = await MakeAsync("deb");
        var root = Directory.CreateTempSubdirectory("sockwatch-test-").FullName;
        // A database of its own; the scripts would want programs that an empty root does not have.
        foreach (var folder in new[] { "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers" })
        {
            Directory.CreateDirectory(Path.Combine(root, folder));
        }

        await File.WriteAllTextAsync(Path.Combine(root, "var/lib/dpkg/status"), "");
        string[] toRoot = [$"--root={root}", "--force-depends", "--force-script-chrootless", "--force-not-root"];

        var install = await Shell.RunAsync(dpkg, [.. toRoot, "--unpack", package]);
        var version = await Shell.RunAsync(Path.Combine(root, "usr/lib/sockwatch/sockwatch"), "--version");
        var owner = await Shell.RunAsync(dpkg, [.. toRoot, "--search", "/lib/systemd/system/sockwatch.service"]);

        Assert.True(install.ExitCode == 0, install.Output + install.Errors);
        Assert.Equal(0, owner.ExitCode);
        Assert.StartsWith($"sockwatch {Version}", version.Output, StringComparison.Ordinal);
        Assert.Equal("../lib/sockwatch/sockwatch", new FileInfo(Path.Combine(root, "usr/bin/sockwatch")).LinkTarget);
        Assert.True(File.Exists(Path.Combine(root, "usr/lib/sockwatch/bpf/sockwatch.bpf.o")));
        Assert.True(File.Exists(Path.Combine(root, "usr/share/doc/sockwatch/install.md")));
        Assert.True(File.Exists(Path.Combine(root, "usr/share/doc/sockwatch/copyright")));

        var remove = await Shell.RunAsync(dpkg, [.. toRoot, "--purge", "sockwatch"]);
        Assert.True(remove.ExitCode == 0, remove.Output + remove.Errors);
        Assert.False(File.Exists(Path.Combine(root, "usr/lib/sockwatch/sockwatch")));
        Assert.False(File.Exists(Path.Combine(root, "etc/sockwatch/sockwatch.yaml")));
    }

    [Fact]
    public async Task The_package_says_what_it_needs()
    {
        var deb = Requires.Program("dpkg-deb", "dpkg");
        var package = await MakeAsync("deb");

        var control = (await Shell.RunAsync(deb, "--field", package)).Output;
        var scripts = (await Shell.RunAsync(deb, "--info", package)).Output;

        output.WriteLine(control);
        Assert.Contains($"Version: {Version}\n", control, StringComparison.Ordinal);
        Assert.Contains($"Architecture: {Processor}\n", control, StringComparison.Ordinal);
        Assert.Matches(@"Depends: libc6 \(>= 2\.\d+\), libbpf1 \(>= 1\.1\)", control);
        Assert.Contains("conffiles", scripts, StringComparison.Ordinal);
        Assert.Contains("postinst", scripts, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_settings_of_the_package_are_accepted()
    {
        await Requires.AgentAsync();

        await using var agent = await RunningAgent.StartAsync("--config", Path.Combine(Repository.Root, "deploy/systemd/sockwatch.yaml"));

        Assert.NotEmpty((await agent.ScrapeAsync()).Of("sockwatch_build_info"));
    }

    [Fact]
    public async Task The_tarball_runs_where_it_is_unpacked()
    {
        var tarball = await MakeAsync("tarball");
        var folder = Directory.CreateTempSubdirectory("sockwatch-test-").FullName;

        var unpack = await Shell.RunAsync("tar", "-xzf", tarball, "-C", folder);
        var name = Path.Combine(folder, $"sockwatch-{Version}-linux-{Processor}");
        var version = await Shell.RunAsync(Path.Combine(name, "sockwatch"), "--version");

        Assert.True(unpack.ExitCode == 0, unpack.Errors);
        Assert.StartsWith($"sockwatch {Version}", version.Output, StringComparison.Ordinal);
        foreach (var file in new[] { "bpf/sockwatch.bpf.o", "sockwatch.service", "sockwatch.yaml", "doc/install.md", "doc/LICENSE" })
        {
            Assert.True(File.Exists(Path.Combine(name, file)), file);
        }
    }

    [Fact]
    public async Task The_chart_is_packed_whole_and_of_the_agents_version()
    {
        Assert.Contains($"appVersion: {Version}\n", await File.ReadAllTextAsync(Path.Combine(Repository.Root, "deploy/helm/sockwatch/Chart.yaml")), StringComparison.Ordinal);

        var made = await Shell.RunAsync("make", "--no-print-directory", "-C", Repository.Root, "chart");
        var list = (await Shell.RunAsync("tar", "-tzf", Path.Combine(Repository.Root, $"artifacts/sockwatch-{Version}.tgz"))).Output.Split('\n');

        Assert.True(made.ExitCode == 0, made.Errors);
        Assert.Contains("sockwatch/Chart.yaml", list);
        Assert.Contains("sockwatch/values.schema.json", list);
        Assert.Contains("sockwatch/files/dashboards/sockwatch-overview.json", list);
        Assert.Contains("sockwatch/templates/_helpers.tpl", list);
        Assert.DoesNotContain(list, name => name.EndsWith("rendered.yaml", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_scripts_are_clean()
    {
        var shellcheck = Requires.Program("shellcheck", "shellcheck");
        string[] scripts = ["tools/package", "tools/image-root", "tools/build-image", "deploy/debian/postinst", "deploy/debian/prerm", "deploy/debian/postrm"];

        var check = await Shell.RunAsync(shellcheck, [.. scripts.Select(script => Path.Combine(Repository.Root, script))]);

        Assert.True(check.ExitCode == 0, check.Output);
    }

    private static async Task<string> MakeAsync(string target)
    {
        if (!s_made.TryGetValue(target, out var making))
        {
            // What is packed is what matters here, not how tightly.
            s_made[target] = making = Shell.RunAsync(
                "make", ["--no-print-directory", "-C", Repository.Root, target], new Dictionary<string, string> { ["DPKG_DEB_COMPRESSOR_LEVEL"] = "1" });
        }

        var made = await making;
        Assert.True(made.ExitCode == 0, made.Output + made.Errors);
        return Path.Combine(Repository.Root, made.Output.Split('\n').Last(line => line.Contains(": ", StringComparison.Ordinal)).Split(": ")[0]);
    }

    [GeneratedRegex("<Version>(?<version>.+)</Version>")]
    private static partial Regex VersionElement();
}
