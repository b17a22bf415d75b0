using System.Globalization;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.Kernels;

/// <summary>One boot of a guest of tests/vm with one task.</summary>
internal static class GuestBoot
{
    /// <summary>Skips the test where kernel or emulator cannot be had here.</summary>
    /// <returns>The folder of what the guest handed back, and the time it took.</returns>
    public static async Task<(string Folder, TimeSpan Took)> RunAsync(string suite, string task, string name, params string[] parameters)
    {
        var folder = Path.Combine(Repository.Root, "artifacts/vm", name);
        var boot = await Shell.RunAsync(
            Path.Combine(Repository.Root, "tests/vm/boot"), [suite, task, folder, .. parameters],
            new Dictionary<string, string> { ["SECONDS_LIMIT"] = "900" }, TimeSpan.FromSeconds(930));
        Assert.SkipWhen(boot.ExitCode == 77, boot.Output.Trim());
        Assert.True(boot.ExitCode == 0, $"{boot.Output.Trim()}\n{boot.Errors.Trim()}");
        return (folder, boot.Took);
    }

    public static void Print(string folder, string what, TimeSpan took) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {Read(folder, "release"),-36} {what,-24} {took.TotalSeconds,4:0} s"));

    public static string Read(string folder, string name)
    {
        var path = Path.Combine(folder, name);
        return File.Exists(path) ? File.ReadAllText(path).Trim() : "";
    }
}
