using System.Diagnostics;
using System.Text.Json;

namespace Sockwatch.KernelTests.Agents;

/// <summary>The programs of tests/load: they make traffic, and print what they did.</summary>
internal static class LoadProgram
{
    /// <summary>Runs to the end. The notes are what it had to say beside its truth, such as what it left out and why.</summary>
    public static async Task<(JsonDocument Truth, string Notes)> RunAsync(string program, params string[] arguments)
    {
        using var process = Start(program, arguments);
        var notes = process.StandardError.ReadToEndAsync();
        var text = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0
            ? (JsonDocument.Parse(text), await notes)
            : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {await notes}");
    }

    public static Process Start(string program, params string[] arguments) => Process.Start(
        new ProcessStartInfo(Repository.Load(program), arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
}
