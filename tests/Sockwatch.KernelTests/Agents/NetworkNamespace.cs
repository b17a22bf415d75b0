using System.Diagnostics;

namespace Sockwatch.KernelTests.Agents;

/// <summary>
/// A network of its own, with only a loopback. What a program in it serves on 127.0.0.1, or asks for there, can be the test's own: some
/// ports are the same inside and outside.
/// </summary>
internal sealed class NetworkNamespace : IDisposable
{
    // A socket belongs to the namespace that it was made in, wherever its thread is afterwards.
    private const string Forward = """
        import ctypes, os, socket, sys, threading
        libc = ctypes.CDLL(None, use_errno=True)
        outside, inside = os.open('/proc/self/ns/net', os.O_RDONLY), os.open(sys.argv[1], os.O_RDONLY)
        made = threading.Lock()
        def new_socket(where):
            with made:
                libc.setns(where, 0)
                one = socket.socket()
                libc.setns(outside, 0)
            return one
        def pump(source, target):
            try:
                while data := source.recv(65536):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        def serve(listener, port, where):
            while True:
                client, _ = listener.accept()
                server = new_socket(where)
                try:
                    server.connect(('127.0.0.1', port))
                except OSError:
                    client.close()
                    continue
                for pair in (client, server), (server, client):
                    threading.Thread(target=pump, args=pair, daemon=True).start()
        for way, port in (argument.split(':') for argument in sys.argv[2:]):
            listener = new_socket(outside if way == 'in' else inside)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(('127.0.0.1', int(port)))
            listener.listen(64)
            threading.Thread(target=serve, args=(listener, int(port), inside if way == 'in' else outside), daemon=True).start()
        print('ready', flush=True)
        sys.stdin.read()
        """;

    private readonly string _name = $"sockwatch-{Environment.ProcessId}-{Guid.NewGuid().ToString("N")[..8]}";
    private Process? _forwarder;

    private NetworkNamespace()
    {
    }

    public string Path => $"/run/netns/{_name}";

    /// <summary>What goes before a command.</summary>
    public string[] Launcher => ["nsenter", $"--net={Path}"];

    public static async Task<NetworkNamespace> CreateAsync()
    {
        var made = new NetworkNamespace();
        var ended = await Shell.RunAsync(Requires.Program("ip", "iproute2"), "netns", "add", made._name);
        Assert.SkipWhen(ended.ExitCode != 0, $"no network namespace can be made here: {ended.Errors.Trim()}");
        await made.RunAsync("ip link set lo up");
        return made;
    }

    /// <summary>Runs a script inside; its output.</summary>
    public async Task<string> RunAsync(string script)
    {
        var ended = await Shell.RunAsync("nsenter", $"--net={Path}", "bash", "-euc", script);
        Assert.True(ended.ExitCode == 0, ended.Errors);
        return ended.Output;
    }

    /// <summary>A program inside that runs on; its standard input is its life.</summary>
    public Process Start(string program, params string[] arguments) => Process.Start(new ProcessStartInfo("nsenter", [$"--net={Path}", program, .. arguments])
    {
        RedirectStandardInput = true, RedirectStandardOutput = true,
    })!;

    /// <param name="into">Ports that are served inside, to be reached from outside.</param>
    /// <param name="outOf">Ports that are served outside, to be reached from inside.</param>
    public async Task ForwardAsync(IEnumerable<int> into, IEnumerable<int> outOf)
    {
        _forwarder = Process.Start(new ProcessStartInfo(
            Requires.Program("python3", "python3"), ["-c", Forward, Path, .. into.Select(port => $"in:{port}"), .. outOf.Select(port => $"out:{port}")])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true,
        })!;
        Assert.Equal("ready", await _forwarder.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken));
    }

    public void Dispose()
    {
        if (_forwarder is not null)
        {
            _forwarder.StandardInput.Close();
            _forwarder.WaitForExit();
            _forwarder.Dispose();
        }

        using var delete = Process.Start("ip", ["netns", "delete", _name]);
        delete.WaitForExit();
    }
}
