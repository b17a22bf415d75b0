using System.Diagnostics;
using System.Net.Sockets;
using Sockwatch.Bpf;
using Xunit;

namespace Sockwatch.KernelTests.Bpf;

public sealed class HookTests : IDisposable
{
    private readonly BpfObject _hooks = TestPrograms.Load("hooks");

    public void Dispose() => _hooks.Dispose();

    [Fact]
    public void A_tracepoint_program_counts_while_it_is_attached()
    {
        var exits = _hooks.GlobalVariable<ulong>("exits");

        using (_hooks.Attach("on_exit"))
        {
            RunTrue();
        }

        // The last run may still be under way on another CPU when the program is taken off.
        RunTrue();
        var afterwards = exits.Value;
        RunTrue();

        Assert.True(afterwards > 0);
        Assert.Equal(afterwards, exits.Value);
    }

    [Fact]
    public void A_cgroup_program_counts_while_it_is_attached()
    {
        var cgroup = Cgroup2Mount();
        Assert.SkipWhen(cgroup is null, "No cgroup2 file system is mounted.");
        var sockets = _hooks.GlobalVariable<ulong>("sockets");

        using (_hooks.AttachCgroup("on_socket", cgroup))
        {
            OpenSocket();
        }

        // As above: whatever opens a socket elsewhere may still be in the program.
        RunTrue();
        var afterwards = sockets.Value;
        OpenSocket();

        Assert.True(afterwards > 0);
        Assert.Equal(afterwards, sockets.Value);
    }

    [Fact]
    public void Attaching_to_no_cgroup_names_the_path()
    {
        var missing = Assert.Throws<BpfException>(() => _hooks.AttachCgroup("on_socket", "/nowhere"));
        var wrong = Assert.Throws<BpfException>(() => _hooks.AttachCgroup("on_socket", "/tmp"));

        Assert.Equal("open(/nowhere): No such file or directory (errno 2)", missing.Message);
        Assert.StartsWith("bpf_program__attach_cgroup(on_socket, /tmp): Bad file descriptor", wrong.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_iterator_visits_every_task_each_time_it_runs()
    {
        var tasks = _hooks.GlobalVariable<ulong>("tasks");
        using var visit = _hooks.AttachIterator("on_task");

        visit.Run();
        var first = tasks.Value;
        visit.Run();

        Assert.True(first > 1);
        Assert.True(tasks.Value > first);
    }

    [Fact]
    public void Attaching_before_loading_is_refused()
    {
        using var unloaded = TestPrograms.Open("hooks");

        Assert.Throws<BpfException>(() => unloaded.Attach("on_exit"));
        Assert.Throws<InvalidOperationException>(() => unloaded.GlobalVariable<ulong>("exits"));
    }

    private static void RunTrue()
    {
        using var process = Process.Start("/bin/true");
        process.WaitForExit();
    }

    private static void OpenSocket()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    }

    private static string? Cgroup2Mount() => File.ReadLines("/proc/mounts")
        .Select(line => line.Split(' '))
        .FirstOrDefault(fields => fields[2] == "cgroup2")?[1];
}
