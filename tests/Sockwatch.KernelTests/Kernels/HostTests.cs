using System.Text.Json;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.Kernels;

/// <summary>Hosts that this machine is not: locked down, or with cgroups arranged in another way.</summary>
public class HostTests(ITestOutputHelper output)
{
    private const string Container = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    [Theory]
    [InlineData("v1", null)]
    [InlineData("hybrid", "/sys/fs/cgroup/unified")]
    [InlineData("v2", "/sys/fs/cgroup")]
    public async Task Finds_the_container_on_every_layout_of_cgroups(string layout, string? unified)
    {
        var folder = await BootAsync($"cgroups-{layout}", $"layout={layout}");
        using var report = JsonDocument.Parse(Read(folder, "doctor.json"));
        var host = report.RootElement.GetProperty("host");

        Assert.Equal("0", Read(folder, "exit-code"));
        Assert.True(report.RootElement.GetProperty("ok").GetBoolean());
        Assert.Equal(layout, host.GetProperty("cgroups").GetString());
        Assert.Equal(unified, host.GetProperty("cgroup2").GetString());
        Assert.Contains($"cgroups {layout}, ", Read(folder, "agent.log"));
        Assert.Contains(Flows(folder), flow =>
            flow.GetProperty("process.executable.name").GetString() == "truth-client"
            && flow.TryGetProperty("container.id", out var container) && container.GetString() == Container);
        Assert.Contains("backend=\"cgroup\"", Read(folder, "metrics"));
    }

    [Fact]
    public async Task Integrity_takes_nothing_away()
    {
        var folder = await BootAsync("lockdown-integrity", "lockdown=integrity");
        using var report = JsonDocument.Parse(Read(folder, "doctor.json"));

        Assert.Equal("integrity", report.RootElement.GetProperty("host").GetProperty("lockdown").GetString());
        Assert.True(report.RootElement.GetProperty("ok").GetBoolean());
        Assert.Equal("0", Read(folder, "exit-code"));
        Assert.Contains("lockdown integrity", Read(folder, "agent.log"));
        Assert.NotEmpty(Flows(folder));
    }

    [Fact]
    public async Task What_confidentiality_takes_away_is_named()
    {
        var folder = await BootAsync("lockdown-confidentiality", "lockdown=confidentiality");
        using var report = JsonDocument.Parse(Read(folder, "doctor.json"));
        var ok = report.RootElement.GetProperty("ok").GetBoolean();
        var refused = report.RootElement.GetProperty("hooks").EnumerateArray().Where(hook => !hook.GetProperty("works").GetBoolean()).ToList();

        Assert.Equal("confidentiality", report.RootElement.GetProperty("host").GetProperty("lockdown").GetString());
        Assert.Equal(ok ? "0" : "1", Read(folder, "doctor.exit-code"));
        Assert.Contains("! lockdown        confidentiality: ", Read(folder, "doctor.txt"));
        Assert.Contains(refused, hook => hook.GetProperty("reason").GetString()!.StartsWith("kernel lockdown (confidentiality) forbids", StringComparison.Ordinal));
        Assert.DoesNotContain(refused, hook => hook.GetProperty("reason").GetString()!.Contains("errno", StringComparison.Ordinal));
        Assert.DoesNotContain(
            report.RootElement.GetProperty("hooks").EnumerateArray(),
            hook => hook.GetProperty("backend").GetString() == "kprobe" && hook.GetProperty("works").GetBoolean());
        Assert.Contains(ok ? "lockdown confidentiality" : "kernel lockdown (confidentiality) forbids", Read(folder, "agent.log"));
    }

    private async Task<string> BootAsync(string name, string parameter)
    {
        var (folder, took) = await GuestBoot.RunAsync("trixie", "host", $"host-{name}", parameter);
        output.WriteLine(Read(folder, "doctor.txt"));
        GuestBoot.Print(folder, name, took);
        return folder;
    }

    private static List<JsonElement> Flows(string folder) =>
        [.. Read(folder, "flows.json").Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonElement.Parse(line))];

    private static string Read(string folder, string name) => GuestBoot.Read(folder, name);
}
