using System.Globalization;
using System.Runtime.InteropServices;

namespace Sockwatch.Bpf;

/// <summary>A kretprobe made through tracefs, where alone its number of concurrent calls can be given. Disposing it removes it.</summary>
internal sealed class ReturnProbe : IDisposable
{
    /// <summary>As many as the kernel lets a kretprobe have (KRETPROBE_MAXACTIVE_MAX).</summary>
    public const int MostCalls = 4096;

    private const int TracepointEvent = 2; // PERF_TYPE_TRACEPOINT

    private static readonly string[] Roots = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

    private readonly string _root;
    private readonly string _event;

    private ReturnProbe(string root, string name, int descriptor)
    {
        _root = root;
        _event = name;
        Descriptor = descriptor;
    }

    /// <summary>Of the perf event; whoever attaches to it closes it.</summary>
    public int Descriptor { get; }

    /// <summary>Whether this kernel has kprobes at all, by whichever way they are made.</summary>
    public static bool IsOffered =>
        File.Exists("/sys/bus/event_source/devices/kprobe/type") || Roots.Any(root => File.Exists(Path.Combine(root, "kprobe_events")));

    public static ReturnProbe Create(string name, string function)
    {
        var root = Array.Find(Roots, root => File.Exists(Path.Combine(root, "kprobe_events")))
            ?? throw new BpfException("open(/sys/kernel/tracing/kprobe_events)", LibC.ENOENT);
        RemoveLeftOvers(root);
        var group = string.Create(CultureInfo.InvariantCulture, $"{Group}{Environment.ProcessId}");
        Write(root, string.Create(CultureInfo.InvariantCulture, $"r{MostCalls}:{group}/{name} {function}"));
        try
        {
            var id = ulong.Parse(File.ReadAllText(Path.Combine(root, "events", group, name, "id")), CultureInfo.InvariantCulture);
            return new ReturnProbe(root, $"{group}/{name}", OpenEvent(id));
        }
        catch
        {
            Write(root, $"-:{group}/{name}");
            throw;
        }
    }

    public void Dispose()
    {
        try
        {
            Write(_root, $"-:{_event}");
        }
        catch (BpfException)
        {
            // Somebody else looks at it, or tracefs is gone: the next agent removes it.
        }
    }

    private const string Group = "sockwatch_";

    // An agent that was killed leaves its probes behind, at rest.
    private static void RemoveLeftOvers(string root)
    {
        foreach (var line in File.ReadLines(Path.Combine(root, "kprobe_events")).ToList())
        {
            // "r4096:sockwatch_1234/sw_kretprobe_send4 inet_sendmsg"
            var at = line.IndexOf($":{Group}", StringComparison.Ordinal);
            var end = at < 0 ? -1 : line.IndexOf(' ', at);
            var name = end < 0 ? "" : line[(at + 1)..end];
            var slash = name.IndexOf('/');
            if (slash > 0 && !Directory.Exists($"/proc/{name[Group.Length..slash]}"))
            {
                try
                {
                    Write(root, $"-:{name}");
                }
                catch (BpfException)
                {
                    // Of a process in another namespace after all.
                }
            }
        }
    }

    private static void Write(string root, string line)
    {
        var path = Path.Combine(root, "kprobe_events");
        try
        {
            using var events = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            events.Write(System.Text.Encoding.ASCII.GetBytes(line));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new BpfException($"{path} does not take '{line}': {failure.Message}", failure);
        }
    }

    private static unsafe int OpenEvent(ulong id)
    {
        var attributes = new LibC.perf_event_attr { type = TracepointEvent, size = (uint)sizeof(LibC.perf_event_attr), config = id };
        var descriptor = LibC.perf_event_open(&attributes, pid: -1, cpu: 0);
        return descriptor >= 0 ? descriptor : throw new BpfException("perf_event_open", Marshal.GetLastPInvokeError());
    }
}
