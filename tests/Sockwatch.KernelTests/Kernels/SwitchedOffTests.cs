using System.Text.Json;
using Sockwatch.KernelTests.Agents;
using Sockwatch.KernelTests.Truth;

namespace Sockwatch.KernelTests.Kernels;

/// <summary>Kprobes that an administrator switches off under the agent, on a kernel that has nothing better for sends and receives.</summary>
public class SwitchedOffTests(ITestOutputHelper output)
{
    [Fact]
    public async Task The_next_best_way_takes_over_when_kprobes_are_switched_off()
    {
        // Fully preemptible, this kernel is best observed by kprobe; trampolines are what is left.
        var folder = await BootAsync("auto", "preempt=full");
        var edges = TrueEdge.Of(JsonElement.Parse(Read(folder, "truth.json")));
        var page = Page(folder, "metrics-off");

        Assert.Contains(Page(folder, "metrics-before").Of("sockwatch_hook_info"), hook => hook["operation"] == "send" && hook["backend"] == "kprobe");
        Assert.Contains("fentry takes over send", Read(folder, "agent.log"));
        Assert.Contains("fentry takes over recv", Read(folder, "agent.log"));
        Assert.Contains(page.Of("sockwatch_hook_info"), hook => hook["operation"] == "send" && hook["backend"] == "fentry" && hook["state"] == "attached");
        Assert.StartsWith("HTTP/1.1 200", Read(folder, "readyz-off"));
        Assert.Empty(edges.SelectMany(edge => edge.Differences(page)));
        Assert.Equal("0", Read(folder, "exit-code"));
    }

    [Fact]
    public async Task Without_another_way_readyz_says_which_operations_are_blind_until_the_hooks_are_back()
    {
        var folder = await BootAsync("kprobe", "backend=kprobe");

        Assert.StartsWith("HTTP/1.1 503", Read(folder, "readyz-off"));
        Assert.Contains("connect, accept, send, recv, release blind: kprobes were switched off", Read(folder, "readyz-off"));
        Assert.Contains(Page(folder, "metrics-off").Of("sockwatch_hook_info"), hook => hook["operation"] == "send" && hook["state"] == "lost");
        Assert.StartsWith("HTTP/1.1 200", Read(folder, "readyz-on"));
        Assert.DoesNotContain(Page(folder, "metrics-on").Of("sockwatch_hook_info"), hook => hook["state"] == "lost");
        Assert.Equal(5, Read(folder, "agent.log").Split('\n').Count(line => line.Contains(" ERROR ")));
        Assert.Equal("0", Read(folder, "exit-code"));
    }

    private async Task<string> BootAsync(string name, string parameter)
    {
        var (folder, took) = await GuestBoot.RunAsync("bookworm", "lost", $"lost-{name}", parameter);
        output.WriteLine(Read(folder, "agent.log"));
        GuestBoot.Print(folder, $"kprobes off, {name}", took);
        return folder;
    }

    // Below the head of the answer.
    private static MetricPage Page(string folder, string name) => MetricPage.Parse(Read(folder, name).Split("\r\n\r\n", 2)[^1]);

    private static string Read(string folder, string name) => GuestBoot.Read(folder, name);
}
