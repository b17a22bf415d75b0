using Sockwatch.Kernel;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.Lifecycle;

/// <summary>What the running agent could still do, thread by thread.</summary>
public class PrivilegeTests(ITestOutputHelper output)
{
    // Those of the three for BPF, of the cost of programs, and whatever else this kernel asks for.
    private static readonly CapabilitySet s_needed =
        CapabilitySet.Of(NeededCapability.On(HostFacts.Read(new HostPaths()), capturesPayload: false).Select(needed => needed.Capability));

    [Fact]
    public async Task No_thread_of_the_agent_has_a_capability_that_it_does_not_need()
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "none");
        await agent.ScrapeAsync();

        AssertNoMoreThan(s_needed, agent);
        Assert.Contains($"Running with {s_needed}", agent.Errors);
    }

    [Fact]
    public async Task Without_program_costs_nothing_but_bpf_is_left()
    {
        Requires.Bpf();
        Assert.SkipWhen(HostFacts.Read(new HostPaths()).Cgroups.Unified is null, "no cgroup2 file system is mounted");
        await using var agent = await RunningAgent.StartInAsync(
            Directory.CreateTempSubdirectory("sockwatch-test-"), ("SOCKWATCH__DIAGNOSTICS__PROGRAMSTATS", "off"));

        var page = await agent.ScrapeAsync();

        AssertNoMoreThan(s_needed with { Bits = s_needed.Bits & ~CapabilitySet.Of([Capability.SysAdmin]).Bits }, agent);
        Assert.NotEmpty(page.Of("sockwatch_hook_info"));
        Assert.Equal("", page.Losses);
    }

    [Fact]
    public async Task A_flow_log_in_somebody_elses_folder_can_be_written_all_the_same()
    {
        Requires.Bpf();
        var chown = Requires.Program("chown", "coreutils");
        var home = Directory.CreateTempSubdirectory("sockwatch-home-");
        await Shell.RunAsync(chown, "65534:65534", home.FullName);
        File.SetUnixFileMode(home.FullName, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        await using var agent = await RunningAgent.StartAsync("--flow-log", Path.Combine(home.FullName, "flows.json"));

        AssertNoMoreThan(s_needed with { Bits = s_needed.Bits | CapabilitySet.Of([Capability.DacOverride]).Bits }, agent);
        Assert.True(File.Exists(Path.Combine(home.FullName, "flows.json")));
        await agent.StopAsync();
        home.Delete(recursive: true);
    }

    [Fact]
    public async Task Root_that_may_not_drop_anything_runs_with_what_it_has()
    {
        Requires.Bpf();
        var capsh = Requires.Program("capsh", "libcap2-bin");
        var state = Directory.CreateTempSubdirectory("sockwatch-test-");

        var ended = await Shell.RunAsync(
            capsh,
            ["--drop=cap_setpcap", "--", "-c", $"timeout -s TERM 8 {Repository.Agent} run --listen 127.0.0.1:{RunningAgent.FreePort()} --flow-log none"],
            new Dictionary<string, string> { ["SOCKWATCH__STATEDIRECTORY"] = state.FullName });

        Assert.Contains("Attached: ", ended.Errors);
        Assert.Contains("CAP_SYS_MODULE", ended.Errors);
        state.Delete(recursive: true);
    }

    private void AssertNoMoreThan(CapabilitySet wanted, RunningAgent agent)
    {
        var threads = Directory.GetDirectories($"/proc/{agent.Process.Id}/task");
        output.WriteLine($"{threads.Length} threads");
        Assert.True(threads.Length > 3);
        foreach (var thread in threads)
        {
            var status = File.ReadLines(Path.Combine(thread, "status")).Select(line => line.Split(":\t")).Where(pair => pair.Length == 2).ToDictionary(pair => pair[0], pair => pair[1]);
            Assert.Equal(
                (wanted, wanted, wanted, default, default),
                (Set("CapEff"), Set("CapPrm"), Set("CapBnd"), Set("CapInh"), Set("CapAmb")));

            CapabilitySet Set(string name) => CapabilitySet.Parse(status[name]);
        }
    }
}
