using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Sockwatch.KernelTests.Agents;

/// <summary>The real agent as a process, ready to be asked. Disposing ends it as an operator would.</summary>
internal sealed class RunningAgent : IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(40);

    private readonly HttpClient _http;
    private readonly DirectoryInfo _state;
    private readonly ConcurrentQueue<string> _errors = [];
    private readonly ConcurrentQueue<string> _output = [];

    private RunningAgent(Process process, DirectoryInfo state, int port)
    {
        Process = process;
        Address = $"127.0.0.1:{port}";
        _state = state;
        _http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}"), Timeout = TimeSpan.FromSeconds(30) };
        process.OutputDataReceived += (_, line) => Keep(_output, line.Data);
        process.ErrorDataReceived += (_, line) => Keep(_errors, line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public Process Process { get; }

    public string Address { get; }

    public string StateDirectory => _state.FullName;

    /// <summary>How long it took from exec until /readyz said yes.</summary>
    public TimeSpan StartTime { get; private set; }

    /// <summary>The flow log, where it goes to standard output.</summary>
    public IReadOnlyCollection<string> Output => _output;

    public string Errors => string.Join('\n', _errors);

    public long ResidentBytes
    {
        get
        {
            Process.Refresh();
            return Process.WorkingSet64;
        }
    }

    public long PeakResidentBytes
    {
        get
        {
            Process.Refresh();
            return Process.PeakWorkingSet64;
        }
    }

    public static Task<RunningAgent> StartAsync(params string[] arguments) =>
        StartAsync(Directory.CreateTempSubdirectory("sockwatch-test-"), objects: null, arguments);

    /// <summary>With a state directory that others share, and settings from the environment.</summary>
    public static Task<RunningAgent> StartInAsync(DirectoryInfo state, params (string Variable, string Value)[] settings) =>
        StartAsync(state, objects: null, [], memory: null, settings);

    /// <summary>Under a limit of memory, which its maps count against as well.</summary>
    public static Task<RunningAgent> StartInAsync(MemoryCgroup memory, params string[] arguments) =>
        StartAsync(Directory.CreateTempSubdirectory("sockwatch-test-"), objects: null, arguments, memory);

    /// <summary>Somewhere else, such as in a network of its own, into which the port that it serves has to be forwarded.</summary>
    /// <param name="launcher">What goes before the command.</param>
    public static Task<RunningAgent> StartByAsync(string[] launcher, int port, params (string Variable, string Value)[] settings) =>
        StartAsync(Directory.CreateTempSubdirectory("sockwatch-test-"), objects: null, [], memory: null, settings, launcher, port);

    /// <summary>With BPF objects of the test's own.</summary>
    public static Task<RunningAgent> StartWithAsync(string objects) =>
        StartAsync(Directory.CreateTempSubdirectory("sockwatch-test-"), objects, []);

    private static async Task<RunningAgent> StartAsync(
        DirectoryInfo state, string? objects, string[] arguments, MemoryCgroup? memory = null,
        (string Variable, string Value)[]? settings = null, string[]? launcher = null, int? fixedPort = null)
    {
        var port = fixedPort ?? FreePort();
        string[] command = [.. memory?.Launcher ?? launcher ?? [], Repository.Agent, "run", "--listen", $"127.0.0.1:{port}", .. arguments];
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
        };
        start.Environment["SOCKWATCH__STATEDIRECTORY"] = state.FullName;
        foreach (var (variable, value) in settings ?? [])
        {
            start.Environment[variable] = value;
        }

        if (objects is not null)
        {
            start.Environment["SOCKWATCH_BPF_DIR"] = objects;
        }

        var clock = Stopwatch.StartNew();
        var agent = new RunningAgent(Process.Start(start)!, state, port);
        while (!await agent.IsReadyAsync())
        {
            if (agent.Process.HasExited || clock.Elapsed > StartLimit)
            {
                var failure = new InvalidOperationException($"The agent did not become ready in {StartLimit}:\n{agent.Errors}");
                await agent.DisposeAsync();
                throw failure;
            }

            await Task.Delay(10);
        }

        agent.StartTime = clock.Elapsed;
        return agent;
    }

    /// <summary>The page as it is.</summary>
    public Task<string> PageAsync() => _http.GetStringAsync("/metrics");

    public async Task<MetricPage> ScrapeAsync() => MetricPage.Parse(await _http.GetStringAsync("/metrics"));

    /// <summary>Scrapes until the page says so; the last page either way.</summary>
    public async Task<MetricPage> ScrapeUntilAsync(Func<MetricPage, bool> isSo, TimeSpan limit)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            var page = await ScrapeAsync();
            if (isSo(page) || clock.Elapsed > limit)
            {
                return page;
            }

            await Task.Delay(200);
        }
    }

    /// <summary>Ends it by SIGTERM and returns how long that took.</summary>
    public async Task<TimeSpan> StopAsync()
    {
        var clock = Stopwatch.StartNew();
        if (!Process.HasExited)
        {
            using var kill = Process.Start("kill", ["-TERM", $"{Process.Id}"]);
            await kill.WaitForExitAsync();
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            await Process.WaitForExitAsync(limit.Token);
        }

        return clock.Elapsed;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        Process.Dispose();
        _http.Dispose();
        _state.Delete(recursive: true);
    }

    public static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    private static void Keep(ConcurrentQueue<string> lines, string? line)
    {
        if (line is not null)
        {
            lines.Enqueue(line);
        }
    }

    private async Task<bool> IsReadyAsync()
    {
        try
        {
            using var answer = await _http.GetAsync("/readyz");
            return answer.StatusCode == HttpStatusCode.OK;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
