using System.Net;
using System.Net.Sockets;
using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Kernel;

public sealed class ProcDescriptorsTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("sockwatch-proc-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void Prints_the_sockets_of_every_process_and_no_other_file()
    {
        Directory.CreateDirectory(Path.Combine(_root, "self"));
        Link("7", "0", "/dev/null");
        Link("7", "3", "socket:[123]");
        Link("7", "4", "pipe:[124]");
        Link("12", "5", "socket:[123]");
        Link("12", "6", "socket:");

        Assert.Equal((2, 0), Print());
    }

    [Fact]
    public void Sockets_and_processes_that_go_meanwhile_are_passed_over()
    {
        Directory.CreateDirectory(Path.Combine(_root, "8"));
        Link("7", "3", "socket:[123]");
        File.Delete(Path.Combine(_root, "7/fdinfo/3"));
        Link("9", "3", "socket:[124]");

        Assert.Equal((1, 0), Print());
    }

    [Fact]
    public void Finds_what_this_process_has_open()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var own = Path.Combine(_root, Environment.ProcessId.ToString(System.Globalization.CultureInfo.InvariantCulture));
        File.CreateSymbolicLink(own, $"/proc/{Environment.ProcessId}");

        Assert.InRange(Print().Printed, 1, 10_000);
    }

    private (int Printed, int Unreadable) Print()
    {
        var descriptors = new ProcDescriptors(new HostPaths { ProcRoot = _root });
        descriptors.PrintSockets();
        return (descriptors.Printed, descriptors.UnreadableProcesses);
    }

    private void Link(string pid, string descriptor, string target)
    {
        Directory.CreateDirectory(Path.Combine(_root, pid, "fd"));
        Directory.CreateDirectory(Path.Combine(_root, pid, "fdinfo"));
        File.CreateSymbolicLink(Path.Combine(_root, pid, "fd", descriptor), target);
        File.WriteAllText(Path.Combine(_root, pid, "fdinfo", descriptor), "pos:\t0\n");
    }
}
