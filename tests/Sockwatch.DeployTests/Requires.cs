using System.Text.Json;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.DeployTests;

/// <summary>What a test needs of the machine. What is missing skips the test and is named, never passed over.</summary>
internal static class Requires
{
    private static readonly string[] Folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

    private static readonly Lazy<Task<string?>> s_whyNoAgent = new(FindWhyNoAgentAsync);

    /// <summary>A program of a Debian package.</summary>
    public static string Program(string name, string package)
    {
        var path = Find(name);
        Assert.SkipWhen(path is null, $"{name} is not installed (Debian package {package})");
        return path!;
    }

    /// <summary>A program that no package has: the test is for machines that have it by other means.</summary>
    public static string ProgramFromElsewhere(string name)
    {
        var path = Find(name);
        Assert.SkipWhen(path is null, $"{name} is not installed, and is in no Debian package");
        return path!;
    }

    public static string? Find(string name) => Folders.Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    public static void Root() => Assert.SkipWhen(!Environment.IsPrivilegedProcess, "not root");

    /// <summary>This machine can run the agent, as its own doctor says.</summary>
    public static async Task AgentAsync()
    {
        var reason = await s_whyNoAgent.Value;
        Assert.SkipWhen(reason is not null, reason ?? "");
    }

    private static async Task<string?> FindWhyNoAgentAsync()
    {
        var doctor = await Shell.RunAsync(Repository.Agent, "doctor", "--json");
        if (doctor.ExitCode == 0)
        {
            return null;
        }

        using var report = JsonDocument.Parse(doctor.Output);
        return $"this machine cannot run the agent: {Failures(report.RootElement).FirstOrDefault() ?? doctor.Errors.Trim()}";
    }

    // Wherever in the report a check is marked as failed.
    private static IEnumerable<string> Failures(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object when element.TryGetProperty("state", out var state) && state.ValueEquals("failed") => [element.ToString()],
        JsonValueKind.Object => element.EnumerateObject().SelectMany(member => Failures(member.Value)),
        JsonValueKind.Array => element.EnumerateArray().SelectMany(Failures),
        _ => [],
    };
}
