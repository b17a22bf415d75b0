using System.Net;
using System.Net.Sockets;

namespace Sockwatch.DeployTests.Grafana;

/// <summary>
/// A bit of everything on loopback, until it is disposed: conversations by TCP and UDP, connects that nobody answers,
/// resets, a listener whose queue is full, and so segments sent again, contacts with an address that is on a list.
/// </summary>
internal sealed class Traffic : IAsyncDisposable
{
    /// <summary>Of this machine, as all of 127.0.0.0/8 is.</summary>
    public const string Listed = "127.7.7.99";

    private readonly CancellationTokenSource _end = new();
    private readonly Task _all;

    public Traffic()
    {
        _all = Task.WhenAll(ConverseAsync(), SendDatagramsAsync(), RefuseAsync(), ResetAsync(), OverflowAsync(), ContactAsync());
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _all;
        _end.Dispose();
    }

    private Task ConverseAsync() => UntilEndAsync(async listener =>
    {
        using var client = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(listener.LocalEndPoint!, _end.Token);
        using var server = await listener.AcceptAsync(_end.Token);
        for (var i = 0; i < 5; i++)
        {
            await client.SendAsync(new byte[2000], _end.Token);
            await server.ReceiveAsync(new byte[4000], _end.Token);
            await server.SendAsync(new byte[500], _end.Token);
            await client.ReceiveAsync(new byte[4000], _end.Token);
            await Task.Delay(100, _end.Token);
        }
    });

    private Task SendDatagramsAsync() => UntilEndAsync(async _ =>
    {
        using var server = new Socket(SocketType.Dgram, ProtocolType.Udp);
        server.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        using var client = new Socket(SocketType.Dgram, ProtocolType.Udp);
        await client.ConnectAsync(server.LocalEndPoint!, _end.Token);
        await client.SendAsync(new byte[100], _end.Token);
        await server.ReceiveAsync(new byte[200], _end.Token);
        await Task.Delay(200, _end.Token);
    });

    private Task RefuseAsync() => UntilEndAsync(async _ =>
    {
        using var client = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await client.ConnectAsync(new IPEndPoint(IPAddress.Loopback, 1), _end.Token);
        }
        catch (SocketException)
        {
            // As it should be.
        }

        await Task.Delay(200, _end.Token);
    });

    private Task ContactAsync() => UntilEndAsync(async _ =>
    {
        using var listed = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listed.Bind(new IPEndPoint(IPAddress.Parse(Listed), 0));
        listed.Listen();
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(listed.LocalEndPoint!, _end.Token);
        await Task.Delay(200, _end.Token);
    });

    private Task ResetAsync() => UntilEndAsync(async listener =>
    {
        var client = new Socket(SocketType.Stream, ProtocolType.Tcp) { LingerState = new LingerOption(true, 0) };
        await client.ConnectAsync(listener.LocalEndPoint!, _end.Token);
        using var server = await listener.AcceptAsync(_end.Token);
        client.Dispose();
        try
        {
            await server.ReceiveAsync(new byte[1], _end.Token);
        }
        catch (SocketException)
        {
            // Reset by its peer.
        }

        await Task.Delay(200, _end.Token);
    });

    private Task OverflowAsync() => UntilEndAsync(async _ =>
    {
        using var full = new Socket(SocketType.Stream, ProtocolType.Tcp);
        full.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        full.Listen(1);
        var clients = Enumerable.Range(0, 6).Select(_ => new Socket(SocketType.Stream, ProtocolType.Tcp) { Blocking = false }).ToList();
        foreach (var client in clients)
        {
            try
            {
                client.Connect(full.LocalEndPoint!);
            }
            catch (SocketException)
            {
                // Under way.
            }
        }

        // The first segment is sent again after a second.
        await Task.Delay(1500, CancellationToken.None);
        clients.ForEach(client => client.Dispose());
    });

    private async Task UntilEndAsync(Func<Socket, Task> act)
    {
        using var listener = new Socket(SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        while (!_end.IsCancellationRequested)
        {
            try
            {
                await act(listener);
            }
            catch (OperationCanceledException)
            {
                // The end.
            }
        }
    }
}
