using System.Globalization;

namespace Sockwatch.KernelTests.Agents;

/// <summary>A limit of memory for whoever is started in it, in whichever version of cgroups this machine limits memory by.</summary>
internal sealed class MemoryCgroup : IDisposable
{
    private readonly string _path;
    private readonly string _peak;
    private readonly long _bytes;

    private MemoryCgroup(string path, string peak, long bytes)
    {
        _path = path;
        _peak = peak;
        _bytes = bytes;
    }

    /// <summary>What goes before a command: a shell that enters, and becomes the command.</summary>
    public string[] Launcher => ["/bin/sh", "-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\"", _path];

    public static MemoryCgroup Limit(long bytes)
    {
        var why = "";
        foreach (var (root, limit, peak) in ((string, string, string)[])
            [("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"), ("/sys/fs/cgroup", "memory.max", "memory.peak")])
        {
            var path = Path.Combine(root, $"sockwatch-test-{Environment.ProcessId}-{Guid.NewGuid():N}");
            try
            {
                Directory.CreateDirectory(path);
                File.WriteAllText(Path.Combine(path, limit), bytes.ToString(CultureInfo.InvariantCulture));
                return new MemoryCgroup(path, Path.Combine(path, peak), bytes);
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                why = failure.Message;
                Remove(path);
            }
        }

        Assert.Skip($"no limit of memory can be set on this machine: {why}");
        throw new InvalidOperationException();
    }

    /// <summary>How often the kernel ended somebody for want of memory here: "oom_kill N" among the lines of either version's file.</summary>
    public int Kills => new[] { "memory.oom_control", "memory.events" }.Select(name => Path.Combine(_path, name)).Where(File.Exists)
        .SelectMany(File.ReadLines).Where(line => line.StartsWith("oom_kill ", StringComparison.Ordinal))
        .Sum(line => int.Parse(line.AsSpan("oom_kill ".Length), CultureInfo.InvariantCulture));

    public string Describe() => string.Create(
        CultureInfo.InvariantCulture,
        $"memory limit {_bytes >> 20} MiB, kernel maps included; most used {(File.Exists(_peak) ? $"{long.Parse(File.ReadAllText(_peak), CultureInfo.InvariantCulture) >> 20} MiB" : "unknown")}");

    public void Dispose() => Remove(_path);

    private static void Remove(string path)
    {
        try
        {
            Directory.Delete(path);
        }
        catch (IOException)
        {
            // Still in use, or never made.
        }
    }
}
