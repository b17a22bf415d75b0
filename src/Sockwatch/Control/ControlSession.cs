using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Sockwatch.Diagnostics;

namespace Sockwatch.Control;

/// <summary>One client, from the hello to the end.</summary>
internal sealed partial class ControlSession(
    ControlConnection connection,
    Socket socket,
    ControlHandlers handlers,
    ControlPatience patience,
    Func<ControlPeer, bool> isAllowed,
    ILogger logger)
{
    private ControlPeer _peer;
    private bool _isGreeted;

    /// <param name="stopping">The agent ends: no more requests, and streams come to their end.</param>
    /// <param name="cut">It ends now.</param>
    /// <returns>Why the client was turned away; null when all was well.</returns>
    public async Task<string?> RunAsync(CancellationToken stopping, CancellationToken cut)
    {
        connection.SendPatience = patience.Answer;
        try
        {
            _peer = ControlPeer.Of(socket);
            if (!isAllowed(_peer))
            {
                throw new ControlException(ControlErrors.NotPermitted, "only root may use the control socket");
            }

            while (await ServeNextAsync(stopping, cut).ConfigureAwait(false))
            {
            }

            return null;
        }
        catch (ControlException failure)
        {
            if (failure.Code != ControlErrors.TimedOut)
            {
                await TryTellAsync(new ControlError(failure.Code, failure.Message), cut).ConfigureAwait(false);
            }

            return failure.Code;
        }
        catch (Exception failure) when (failure is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // The client is gone, or we are.
            return null;
        }
    }

    /// <summary>Says why, if that can be done without waiting for the client.</summary>
    public static void TryTell(ControlConnection connection, ControlError error)
    {
        try
        {
            connection.Send(FrameKind.Error, JsonSerializer.SerializeToUtf8Bytes(error, ControlJson.Default.ControlError));
        }
        catch (IOException)
        {
            // It does not want to know.
        }
    }

    private async Task TryTellAsync(ControlError error, CancellationToken cut)
    {
        try
        {
            await connection.SendAsync(FrameKind.Error, error, ControlJson.Default.ControlError, cut).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException or ControlException or OperationCanceledException)
        {
            // It does not want to know.
        }
    }

    /// <returns>False when there is nothing more to serve.</returns>
    private async Task<bool> ServeNextAsync(CancellationToken stopping, CancellationToken cut)
    {
        var waiting = _isGreeted ? patience.Idle : patience.Hello;
        if (await connection.ReceiveAsync(waiting, patience.Message, stopping).ConfigureAwait(false) is not { } frame)
        {
            return false;
        }

        var request = Read(frame);
        if (!_isGreeted && request.Name != ControlRequests.Hello.Name)
        {
            throw new ControlException(ControlErrors.Version, "the first request has to be hello");
        }

        if (handlers.Find(request.Name) is not { } handler)
        {
            await TryTellAsync(
                new ControlError(ControlErrors.UnknownRequest, $"this agent does not offer {PrintableText.Of(request.Name, 40)}"), cut).ConfigureAwait(false);
            return true;
        }

        if (handler.IsStream)
        {
            await StreamAsync(handler, request, stopping, cut).ConfigureAwait(false);
            return false;
        }

        return await ReplyAsync(handler, request, cut).ConfigureAwait(false);
    }

    private static ControlEnvelope Read(ControlFrame frame)
    {
        if (frame.Kind != FrameKind.Request)
        {
            throw new ControlException(ControlErrors.Malformed, "a message that is no request");
        }

        try
        {
            return JsonSerializer.Deserialize(frame.Body.Span, ControlJson.Default.ControlEnvelope)
                ?? throw new ControlException(ControlErrors.Malformed, "a request that is null");
        }
        catch (JsonException failure)
        {
            throw new ControlException(ControlErrors.Malformed, $"a request that cannot be read: {failure.Message}");
        }
    }

    private async Task<bool> ReplyAsync(IControlHandler handler, ControlEnvelope request, CancellationToken cut)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cut);
        limit.CancelAfter(patience.Work);
        var (answer, error) = await HandleAsync(handler, request, CancellationToken.None, limit.Token).ConfigureAwait(false);
        if (answer is not { } frame)
        {
            await TryTellAsync(error!, cut).ConfigureAwait(false);
            return true;
        }

        _isGreeted = true;
        await connection.SendAsync(frame.Kind, frame.Body, cut).ConfigureAwait(false);
        return true;
    }

    private async Task StreamAsync(IControlHandler handler, ControlEnvelope request, CancellationToken stopping, CancellationToken cut)
    {
        using var stopped = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(cut);
        using var watched = CancellationTokenSource.CreateLinkedTokenSource(cut);
        var watching = WatchAsync(stopped, gone, watched.Token);
        try
        {
            var (answer, error) = await HandleAsync(handler, request, stopped.Token, gone.Token).ConfigureAwait(false);
            if (answer is { } frame)
            {
                await connection.SendAsync(frame.Kind, frame.Body, gone.Token).ConfigureAwait(false);
            }
            else
            {
                await TryTellAsync(error!, gone.Token).ConfigureAwait(false);
            }
        }
        finally
        {
            await watched.CancelAsync().ConfigureAwait(false);
            await watching.ConfigureAwait(false);
        }
    }

    /// <summary>While a stream goes on: the client may ask for its end, or go; anything else it may not.</summary>
    private async Task WatchAsync(CancellationTokenSource stopped, CancellationTokenSource gone, CancellationToken ended)
    {
        try
        {
            while (await connection.ReceiveAsync(Timeout.InfiniteTimeSpan, patience.Message, ended).ConfigureAwait(false) is { Kind: FrameKind.Stop })
            {
                await stopped.CancelAsync().ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            return;
        }
        catch (Exception failure) when (failure is ControlException or SocketException or ObjectDisposedException)
        {
            // As good as gone.
        }

        await gone.CancelAsync().ConfigureAwait(false);

        // A handler that waits for the client to read waits no longer.
        socket.Dispose();
    }

    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "Whatever went wrong, the client is told, and the agent goes on.")]
    private async Task<((FrameKind Kind, byte[] Body)? Answer, ControlError? Error)> HandleAsync(
        IControlHandler handler, ControlEnvelope request, CancellationToken stopped, CancellationToken cancellation)
    {
        try
        {
            return (await handler.HandleAsync(request.Arguments, _peer, connection, stopped, cancellation).ConfigureAwait(false), null);
        }
        catch (ControlException failure) when (!ControlErrors.Refusals.Contains(failure.Code))
        {
            return (null, new ControlError(failure.Code, failure.Message));
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return (null, new ControlError(ControlErrors.Failed, $"{request.Name} took too long"));
        }
        catch (Exception failure) when (failure is not (ControlException or IOException))
        {
            Log.Failed(logger, request.Name, PrintableText.Of(failure));
            return (null, new ControlError(ControlErrors.Failed, $"{request.Name} failed: {PrintableText.Of(failure)}"));
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Error, "{Request} failed, asked for through the control socket: {Reason}")]
        public static partial void Failed(ILogger logger, string request, string reason);
    }
}
