using System.Diagnostics;

namespace Sockwatch.KernelTests.Agents;

internal sealed record Ended(int ExitCode, string Output, string Errors, TimeSpan Took);

/// <summary>Runs a program to its end.</summary>
internal static class Shell
{
    private static readonly TimeSpan DefaultLimit = TimeSpan.FromMinutes(3);

    public static Task<Ended> RunAsync(string program, params string[] arguments) => RunAsync(program, arguments, new Dictionary<string, string>());

    public static async Task<Ended> RunAsync(
        string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment, TimeSpan? atMost = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        var clock = Stopwatch.StartNew();
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        var allowed = atMost ?? DefaultLimit;
        using var limit = new CancellationTokenSource(allowed);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw new TimeoutException($"{program} {string.Join(' ', arguments)} did not end within {allowed}: {await errors}");
        }

        return new Ended(process.ExitCode, await output, await errors, clock.Elapsed);
    }
}
