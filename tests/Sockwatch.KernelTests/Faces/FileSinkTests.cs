using System.Diagnostics;
using System.Text.Json;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.Faces;

/// <summary>The flow log of the agent that ships, in a file: full disks, rotation, SIGHUP. Every record is somewhere, or counted.</summary>
public sealed class FileSinkTests(ITestOutputHelper output) : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("sockwatch-test-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task A_disk_that_is_full_costs_records_which_are_counted_and_nothing_else()
    {
        Requires.Bpf();
        await using var disk = await SmallDisk.MountAsync(_folder.CreateSubdirectory("disk"), "1m");
        var path = Path.Combine(disk.Path, "flows.json");
        await using var agent = await RunningAgent.StartAsync("--flow-log", path);

        var (first, _) = await LoadProgram.RunAsync("burst", "--rate", "1000", "--seconds", "3");
        using var truth = first;
        var page = await agent.ScrapeUntilAsync(page => Written(path) + Lost(page) >= 12_000, TimeSpan.FromSeconds(10));
        Assert.True(page.Lost("write_failed") > 0, page.Losses);
        Assert.Equal(3000, page.Sum("sockwatch_socket_operations_total", ("process_executable_name", "burst-client"), ("socket_operation", "connect")));

        // There is room again; O_APPEND goes on at the end, wherever that is now. What was under way is written or lost soon after.
        await using (File.Open(path, FileMode.Truncate, FileAccess.Write, FileShare.ReadWrite))
        {
        }

        await Task.Delay(3000);
        var lost = Lost(await agent.ScrapeAsync());
        using (await RunQuietAsync())
        {
            page = await agent.ScrapeUntilAsync(_ => Written(path) >= 200, TimeSpan.FromSeconds(10));
        }

        Assert.Equal(lost, Lost(page));
        var lines = await File.ReadAllLinesAsync(path);
        var torn = lines.Count(line => !IsRecord(line));
        output.WriteLine($"3,000 connections on a disk of 1 MiB: {lost} records counted as write_failed, then {lines.Length} written, {torn} of them the rest of a torn line");
        Assert.Equal(0, torn);
        Assert.True(page.Sum("sockwatch_export_failures_total", ("exporter", "flow_log"), ("reason", "no_space")) > 0);
        Assert.Equal(2, agent.Errors.Split('\n').Count(line => line.Contains($"flow log", StringComparison.Ordinal) && line.Contains(path, StringComparison.Ordinal)
            && (line.Contains("cannot be written", StringComparison.Ordinal) || line.Contains("is written to", StringComparison.Ordinal))));
        Assert.Contains("No space left on device", agent.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_somebody_renames_is_opened_anew_at_SIGHUP_and_no_record_is_lost()
    {
        Requires.Bpf();
        var path = Path.Combine(_folder.FullName, "flows.json");
        await using var agent = await RunningAgent.StartAsync("--flow-log", path);
        var names = new List<string>();
        for (var round = 1; round <= 4; round++)
        {
            using (await RunQuietAsync())
            {
                await agent.ScrapeAsync();
            }

            names.Add($"{path}.{round}");
            File.Move(path, names[^1]);
            using var hangup = Process.Start("kill", ["-HUP", $"{agent.Process.Id}"]);
            await hangup.WaitForExitAsync();
        }

        using (await RunQuietAsync())
        {
            await agent.StopAsync();
        }

        var lines = names.Append(path).Select(name => File.ReadAllLines(name)).ToList();
        output.WriteLine($"4 times renamed: {string.Join(", ", lines.Select(file => file.Length))} records in each file");
        AssertAllOfBurst(lines.SelectMany(file => file), connections: 500);
        Assert.NotEmpty(lines[^1]);
    }

    [Fact]
    public async Task A_file_that_is_full_becomes_the_next_number_and_no_record_is_lost()
    {
        Requires.Bpf();
        var path = Path.Combine(_folder.FullName, "flows.json");
        await using var agent = await RunningAgent.StartAsync(
            "--flow-log", path, "--config", Some.ConfigurationFile("flowLog: { maxFileBytes: 64KiB, maxFiles: 1000, kinds: [end] }\n"));

        using (await RunQuietAsync())
        {
            await agent.StopAsync();
        }

        var files = _folder.GetFiles("flows.json*");
        output.WriteLine($"{files.Length} files of at most 64 KiB, {files.Sum(file => file.Length)} B");
        Assert.True(files.Length >= 2);
        Assert.All(files, file => Assert.InRange(file.Length, 1, 64 * 1024));
        AssertAllOfBurst(files.SelectMany(file => File.ReadAllLines(file.FullName)), connections: 100, starts: false);
    }

    /// <summary>100 connections within a second.</summary>
    private static async Task<JsonDocument> RunQuietAsync() => (await LoadProgram.RunAsync("burst", "--rate", "100", "--seconds", "1")).Truth;

    private static void AssertAllOfBurst(IEnumerable<string> lines, int connections, bool starts = true)
    {
        var records = lines.Select(line => JsonDocument.Parse(line).RootElement).ToList();
        foreach (var executable in (string[])["burst-client", "burst-server"])
        {
            var own = records.Where(record => record.TryGetProperty("process.executable.name", out var name) && name.GetString() == executable).ToList();
            Assert.Equal(connections, own.Count(record => record.GetProperty("event.name").GetString() == "flow.end"));
            Assert.Equal(starts ? connections : 0, own.Count(record => record.GetProperty("event.name").GetString() == "flow.start"));
        }
    }

    private static bool IsRecord(string line)
    {
        try
        {
            using var record = JsonDocument.Parse(line);
            return record.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static int Written(string path) => File.ReadAllLines(path).Length;

    private static long Lost(MetricPage page) => page.Lost("write_failed");

    /// <summary>A file system in memory, of so many bytes.</summary>
    private sealed class SmallDisk : IAsyncDisposable
    {
        private SmallDisk(string path) => Path = path;

        public string Path { get; }

        public static async Task<SmallDisk> MountAsync(DirectoryInfo folder, string size)
        {
            var mounted = await Shell.RunAsync("mount", "-t", "tmpfs", "-o", $"size={size}", "none", folder.FullName);
            Assert.SkipWhen(mounted.ExitCode != 0, $"no file system of {size} can be mounted here: {mounted.Errors.Trim()}");
            return new SmallDisk(folder.FullName);
        }

        public async ValueTask DisposeAsync() => await Shell.RunAsync("umount", "-l", Path);
    }
}
