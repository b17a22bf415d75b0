using System.Net.Sockets;

namespace Sockwatch.Control;

/// <summary>The listening end, as a file in the state directory.</summary>
internal static class ControlSocket
{
    private const int Backlog = 128;
    private const UnixFileMode RootOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    // What sun_path holds, its final zero apart.
    private const int LongestPath = 107;

    private static readonly TimeSpan ProbePatience = TimeSpan.FromSeconds(1);

    /// <exception cref="ControlException">It cannot be had; the message has the reason and the way out.</exception>
    public static async Task<Socket> ListenAsync(string path, CancellationToken cancellation)
    {
        if (System.Text.Encoding.UTF8.GetByteCount(path) > LongestPath)
        {
            throw Cannot(path, $"the path is longer than the {LongestPath} bytes that a socket may have; set stateDirectory to a shorter one");
        }

        await RemoveStaleAsync(path, cancellation).ConfigureAwait(false);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Bind(new UnixDomainSocketEndPoint(path));

            // Nobody can connect before it listens, so nobody gets in before this.
            File.SetUnixFileMode(path, RootOnly);
            socket.Listen(Backlog);
            return socket;
        }
        catch (Exception failure) when (failure is SocketException or IOException or UnauthorizedAccessException)
        {
            socket.Dispose();
            throw Cannot(path, $"{failure.Message.TrimEnd('.')}; set stateDirectory to a directory that can be written");
        }
    }

    /// <summary>What an agent left that was killed goes; what somebody answers at, or is no socket at all, stays.</summary>
    private static async Task RemoveStaleAsync(string path, CancellationToken cancellation)
    {
        if (SocketFile.Is(path) is not { } isSocket)
        {
            return;
        }

        if (!isSocket)
        {
            throw Cannot(path, "there is something else of that name; remove it, or set another stateDirectory");
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(ProbePatience);
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await probe.ConnectAsync(new UnixDomainSocketEndPoint(path), limit.Token).ConfigureAwait(false);
        }
        catch (SocketException failure) when (failure.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
            return;
        }
        catch (Exception failure) when (failure is SocketException or OperationCanceledException && !cancellation.IsCancellationRequested)
        {
            // Busy is alive too.
        }

        throw Cannot(path, "another process is answering there; stop it, or set another stateDirectory");
    }

    private static ControlException Cannot(string path, string reason) =>
        new(ControlErrors.Failed, $"cannot open the control socket {path}: {reason}");
}
