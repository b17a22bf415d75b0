using System.Runtime.InteropServices;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.DeployTests.Image;

/// <summary>The files of the image, laid out as the Dockerfile lays them out, from the agent that make has built.</summary>
internal static class ImageRoot
{
    private static readonly Lazy<Task<Ended>> s_made = new(() => Shell.RunAsync("make", "--no-print-directory", "-C", Repository.Root, "rootfs"));

    public static string Folder { get; } = Path.Combine(
        Repository.Root, "artifacts/image", RuntimeInformation.OSArchitecture == Architecture.Arm64 ? "arm64" : "amd64");

    public static async Task MakeAsync()
    {
        var made = await s_made.Value;
        Assert.True(made.ExitCode == 0, made.Output + made.Errors);
    }
}
