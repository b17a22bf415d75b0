using System.Text.Json.Nodes;
using k8s.Models;
using Sockwatch.DeployTests.Image;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.DeployTests.Packages;

/// <summary>The systemd unit: well-formed, tight, and enough for the agent.</summary>
public sealed class UnitTests(ITestOutputHelper output)
{
    private static readonly string Unit = Path.Combine(Repository.Root, "deploy/systemd/sockwatch.service");

    [Fact]
    public async Task The_unit_is_well_formed_and_tight()
    {
        var analyze = Requires.Program("systemd-analyze", "systemd");
        // The program it names has to exist.
        var folder = Directory.CreateTempSubdirectory("sockwatch-test-").FullName;
        var copy = Path.Combine(folder, "sockwatch.service");
        await File.WriteAllTextAsync(copy, (await File.ReadAllTextAsync(Unit)).Replace("/usr/bin/sockwatch", Repository.Agent, StringComparison.Ordinal));

        var verify = await Shell.RunAsync(analyze, "verify", "--man=no", copy);
        var security = await Shell.RunAsync(analyze, "security", "--offline=true", "--threshold=40", "--no-pager", copy);

        Assert.True(verify.ExitCode == 0 && verify.Errors.Length == 0, verify.Errors);
        output.WriteLine(security.Output.Split('\n').Last(line => line.Length > 0));
        Assert.True(security.ExitCode == 0, security.Output + security.Errors);
    }

    [Fact]
    public void The_unit_has_the_capabilities_of_the_chart()
    {
        Assert.Equal("CAP_BPF CAP_PERFMON CAP_NET_ADMIN", Setting("AmbientCapabilities"));
        Assert.Equal(Setting("AmbientCapabilities"), Setting("CapabilityBoundingSet"));
    }

    [Fact]
    public async Task The_agent_works_as_another_user_with_the_units_capabilities()
    {
        Requires.Root();
        await Requires.AgentAsync();
        var setpriv = Requires.Program("setpriv", "util-linux");
        var capabilities = string.Join(',', Setting("AmbientCapabilities").Split(' ').Select(capability => $"+{capability["CAP_".Length..].ToLowerInvariant()}"));
        var folder = Directory.CreateTempSubdirectory("sockwatch-test-");
        File.SetUnixFileMode(folder.FullName, (UnixFileMode)0b111_111_111);
        var copy = Path.Combine(folder.FullName, "lib");
        foreach (var file in new[] { "sockwatch", "bpf/sockwatch.bpf.o" })
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(copy, file))!);
            File.Copy(Path.Combine(Path.GetDirectoryName(Repository.Agent)!, file), Path.Combine(copy, file));
        }

        var doctor = await Shell.RunAsync(setpriv,
            ["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", $"--inh-caps=-all,{capabilities}", $"--ambient-caps=-all,{capabilities}", $"--bounding-set=-all,{capabilities}",
                Path.Combine(copy, "sockwatch"), "doctor"],
            new Dictionary<string, string> { ["SOCKWATCH__STATEDIRECTORY"] = folder.FullName });

        output.WriteLine(doctor.Output);
        Assert.True(doctor.ExitCode == 0, doctor.Output + doctor.Errors);
        Assert.Contains("uid 65534", (await Shell.RunAsync(setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", "id")).Output.Replace("uid=", "uid ", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_agent_works_with_the_units_system_calls()
    {
        var (pod, map) = await ContainerTests.RenderAsync();
        var seccomp = await SeccompProfile.OfUnitAsync(Setting("SystemCallFilter").Split(' '));
        await using var container = await Container.StartAsync(pod, map, seccomp: seccomp);

        await container.ReadyAsync();

        await ContainerTests.AssertCountsOfTheHostAsync(container);
    }

    [Fact]
    public async Task The_agent_needs_no_memory_that_is_writable_and_executable()
    {
        Requires.Root();
        await Requires.AgentAsync();
        var python = Requires.Program("python3", "python3");
        Assert.Equal("yes", Setting("MemoryDenyWriteExecute"));
        // What the setting is on kernels from 6.3 on: prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN).
        const string Launcher = """
            import ctypes, os, sys
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.prctl(65, 1, 0, 0, 0) != 0:
                sys.exit(77)
            os.execv(sys.argv[1], sys.argv[1:])
            """;
        var folder = Directory.CreateTempSubdirectory("sockwatch-test-").FullName;
        var file = Path.Combine(folder, "launch.py");
        await File.WriteAllTextAsync(file, Launcher);

        var top = await Shell.RunAsync(python, file, Repository.Agent, "top", "--once", "--interval", "1s");

        Assert.SkipWhen(top.ExitCode == 77, "this kernel cannot deny memory that is writable and executable");
        Assert.True(top.ExitCode == 0, top.Output + top.Errors);
    }

    private static string Setting(string name) =>
        File.ReadLines(Unit).Single(line => line.StartsWith($"{name}=", StringComparison.Ordinal))[(name.Length + 1)..];
}
