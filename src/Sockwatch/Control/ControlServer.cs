using System.Net.Sockets;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Sockwatch.Configuration;
using Sockwatch.Diagnostics;

namespace Sockwatch.Control;

/// <summary>
/// Listens on the control socket and serves its clients side by side, so many at once and no more. Nothing that a client does
/// stops the agent or another client; what is turned away is counted. An agent that cannot have its socket works without it.
/// </summary>
internal sealed partial class ControlServer : IHostedService, IDisposable
{
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan AcceptPause = TimeSpan.FromMilliseconds(100);

    // What one more waiting client is told costs one write into an empty buffer; it is never waited for.
    private static readonly TimeSpan FarewellPatience = TimeSpan.FromMilliseconds(100);

    private readonly ControlHandlers _handlers;
    private readonly ControlRefusals _refusals;
    private readonly ControlUse _use;
    private readonly string _path;
    private readonly ILogger<ControlServer> _logger;
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationTokenSource _patienceEnded = new();
    private readonly Lock _lock = new();
    private readonly HashSet<Task> _clients = [];
    private Socket? _socket;
    private Task _accepting = Task.CompletedTask;

    public ControlServer(
        IEnumerable<IControlFeature> features,
        ControlHandlers handlers,
        ControlRefusals refusals,
        ControlUse use,
        IOptions<AgentOptions> agent,
        ILogger<ControlServer> logger)
    {
        _handlers = handlers;
        _refusals = refusals;
        _use = use;
        _path = ControlProtocol.SocketPath(agent.Value.StateDirectory);
        _logger = logger;
        foreach (var feature in features)
        {
            feature.Register(handlers);
        }

        foreach (var reason in ControlErrors.Refusals)
        {
            refusals.Announce(reason);
        }
    }

    /// <summary>Who is let in; root, except in tests that are not root.</summary>
    public Func<ControlPeer, bool> IsAllowed { get; init; } = peer => peer.IsRoot;

    public ControlPatience Patience { get; init; } = new();

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            _socket = await ControlSocket.ListenAsync(_path, cancellationToken).ConfigureAwait(false);
        }
        catch (ControlException failure)
        {
            Log.NoSocket(_logger, failure.Message);
            return;
        }

        Log.Listening(_logger, _path);
        _accepting = Task.Run(() => AcceptUntilStoppedAsync(_socket), CancellationToken.None);
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        _socket?.Dispose();
        await _accepting.ConfigureAwait(false);
        Task[] clients;
        lock (_lock)
        {
            clients = [.. _clients];
        }

        // Streams come to their end by themselves; what does not is cut.
        var ended = Task.WhenAll(clients);
        await Task.WhenAny(ended, Task.Delay(StopPatience, cancellationToken)).ConfigureAwait(false);
        await _patienceEnded.CancelAsync().ConfigureAwait(false);
        await Task.WhenAny(ended, Task.Delay(StopPatience, cancellationToken)).ConfigureAwait(false);
    }

    public void Dispose()
    {
        _socket?.Dispose();
        _stopping.Dispose();
        _patienceEnded.Dispose();
    }

    private async Task AcceptUntilStoppedAsync(Socket listener)
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                var client = await listener.AcceptAsync(_stopping.Token).ConfigureAwait(false);
                Admit(client);
            }
            catch (Exception failure) when (failure is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException failure)
            {
                // Out of descriptors, or a client that was gone before it got in.
                Log.CannotAccept(_logger, failure.Message);
                await Task.Delay(AcceptPause, CancellationToken.None).ConfigureAwait(false);
            }
        }
    }

    private void Admit(Socket client)
    {
        if (_use.TryAddClient())
        {
            var serving = Task.Run(() => ServeAsync(client), CancellationToken.None);
            lock (_lock)
            {
                _clients.Add(serving);
            }

            serving.ContinueWith(Forget, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            return;
        }

        Refused(ControlErrors.TooMany);
        using var connection = new ControlConnection(client, ControlProtocol.MaxRequestBytes);
        client.SendTimeout = (int)FarewellPatience.TotalMilliseconds;
        ControlSession.TryTell(connection, new ControlError(
            ControlErrors.TooMany, $"{_use.MaxClients} clients are connected already; end one, or raise control.maxClients"));
    }

    private void Forget(Task serving)
    {
        _use.RemoveClient();
        lock (_lock)
        {
            _clients.Remove(serving);
        }
    }

    private async Task ServeAsync(Socket client)
    {
        using var connection = new ControlConnection(client, ControlProtocol.MaxRequestBytes);
        var session = new ControlSession(connection, client, _handlers, Patience, IsAllowed, _logger);
        if (await session.RunAsync(_stopping.Token, _patienceEnded.Token).ConfigureAwait(false) is { } refused)
        {
            Refused(refused);
        }
    }

    // One line for the first of each kind, and then as often as they double: a client in a loop must not fill the log.
    private void Refused(string reason)
    {
        var count = _refusals.Count(reason);
        if (long.IsPow2(count))
        {
            Log.Refused(_logger, reason, count);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Control socket: {Path}")]
        public static partial void Listening(ILogger logger, string path);

        [LoggerMessage(LogLevel.Warning, "Without control: {Reason}")]
        public static partial void NoSocket(ILogger logger, string reason);

        [LoggerMessage(LogLevel.Debug, "A client of the control socket was not accepted: {Reason}")]
        public static partial void CannotAccept(ILogger logger, string reason);

        [LoggerMessage(LogLevel.Warning, "Turned away at the control socket: {Reason} ({Count} so far)")]
        public static partial void Refused(ILogger logger, string reason, long count);
    }
}
