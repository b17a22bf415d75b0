using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;

namespace Sockwatch.KernelTests.Agents;

/// <summary><c>sockwatch trace</c> as a process. Disposing ends it as Ctrl-C would.</summary>
internal sealed class RunningTrace : IAsyncDisposable
{
    private readonly ConcurrentQueue<string> _lines = [];
    private readonly ConcurrentQueue<string> _errors = [];
    private readonly Process _process;

    private RunningTrace(Process process)
    {
        _process = process;
        process.OutputDataReceived += (_, line) => Keep(_lines, line.Data);
        process.ErrorDataReceived += (_, line) => Keep(_errors, line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public IReadOnlyCollection<string> Lines => _lines;

    public string Errors => string.Join('\n', _errors);

    /// <param name="stateDirectory">Of the agent to ask.</param>
    public static RunningTrace Start(string stateDirectory, params string[] arguments)
    {
        var start = new ProcessStartInfo(Repository.Agent, ["trace", .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
        };
        start.Environment["SOCKWATCH__STATEDIRECTORY"] = stateDirectory;
        return new RunningTrace(Process.Start(start)!);
    }

    /// <summary>Does something again and again until the trace shows it: then it is at work.</summary>
    public async Task SeesAsync(Action something, Func<string, bool> isIt)
    {
        var clock = Stopwatch.StartNew();
        while (!Lines.Any(isIt))
        {
            if (_process.HasExited)
            {
                // What it said last may still be on its way here.
                await EndAsync();
                Assert.True(Lines.Any(isIt), $"the trace has ended: {Errors}");
                return;
            }

            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(30), $"the trace saw nothing in {clock.Elapsed}: {Errors}");
            something();
            await Task.Delay(100);
        }
    }

    /// <summary>Ends it and returns its exit code.</summary>
    public async Task<int> StopAsync()
    {
        if (!_process.HasExited)
        {
            using var kill = Process.Start("kill", ["-INT", $"{_process.Id}"]);
            await kill.WaitForExitAsync();
        }

        return await EndAsync();
    }

    public async Task<int> EndAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await _process.WaitForExitAsync(limit.Token);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _process.Dispose();
    }

    private static void Keep(ConcurrentQueue<string> lines, string? line)
    {
        if (line is not null)
        {
            lines.Enqueue(line);
        }
    }
}
