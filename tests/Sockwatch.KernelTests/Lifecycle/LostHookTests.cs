using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Sockwatch.KernelTests.Agents;
using Sockwatch.KernelTests.Truth;

namespace Sockwatch.KernelTests.Lifecycle;

/// <summary>What happens when somebody takes a program off its hook while the agent runs. Kprobes are switched off in QEMU (Kernels/).</summary>
public class LostHookTests(ITestOutputHelper output)
{
    [Fact]
    public async Task A_program_that_is_taken_off_its_cgroup_is_put_back()
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "none");

        foreach (var link in CgroupLinks(agent.Process.Id))
        {
            using var fd = new SafeFileHandle(bpf_link_get_fd_by_id(link), ownsHandle: true);
            Assert.True(!fd.IsInvalid && bpf_link_detach(fd) == 0, $"link {link} cannot be detached");
        }

        var deadline = DateTime.UtcNow + TimeSpan.FromSeconds(8);
        while (!agent.Errors.Contains("sock_release was lost (it was taken off its cgroup) and is attached again") && DateTime.UtcNow < deadline)
        {
            await Task.Delay(100);
        }

        output.WriteLine(string.Join('\n', agent.Errors.Split('\n').Where(line => line.Contains("lost"))));
        Assert.Contains("sock_release was lost (it was taken off its cgroup) and is attached again", agent.Errors);
        var (truth, _) = await LoadProgram.RunAsync("truth-client", "udp_unconnected", "--family", "4");
        using var __ = truth;
        var edges = TrueEdge.Of(truth.RootElement);
        var page = await agent.ScrapeUntilAsync(page => !edges.SelectMany(edge => edge.Differences(page)).Any(), TimeSpan.FromSeconds(8));
        Assert.Empty(edges.SelectMany(edge => edge.Differences(page)));
        Assert.DoesNotContain(page.Of("sockwatch_hook_info"), hook => hook["state"] == "lost");
    }

    /// <summary>The numbers of the links by which the process has programs on cgroups.</summary>
    private static List<uint> CgroupLinks(int pid) =>
    [
        .. Directory.EnumerateFiles($"/proc/{pid}/fdinfo").Select(File.ReadAllText).Where(info => info.Contains("link_type:\tcgroup"))
            .Select(info => uint.Parse(info.Split('\n').Single(line => line.StartsWith("link_id:"))["link_id:".Length..])),
    ];

    [DllImport("libbpf.so.1")]
    private static extern int bpf_link_get_fd_by_id(uint id);

    [DllImport("libbpf.so.1")]
    private static extern int bpf_link_detach(SafeFileHandle link);
}
