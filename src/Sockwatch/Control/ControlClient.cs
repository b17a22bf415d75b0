using System.Net.Sockets;
using System.Text.Json;
using Sockwatch.Diagnostics;

namespace Sockwatch.Control;

/// <summary>The other end: a command's connection to the running agent.</summary>
internal sealed class ControlClient : IDisposable
{
    private static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan BusyPause = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan AnswerPatience = TimeSpan.FromSeconds(45);

    private readonly ControlConnection _connection;

    private ControlClient(ControlConnection connection)
    {
        _connection = connection;
        _connection.SendPatience = ConnectPatience;
    }

    /// <summary>What the agent said about itself.</summary>
    public HelloReply Agent { get; private set; } = null!;

    /// <summary>Null when no agent runs here, or none that can be asked.</summary>
    /// <exception cref="ControlException">There is one, and it does not let us in.</exception>
    public static async Task<ControlClient?> TryConnectAsync(string stateDirectory, CancellationToken cancellation)
    {
        var path = ControlProtocol.SocketPath(stateDirectory);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        var client = new ControlClient(new ControlConnection(socket, ControlProtocol.MaxAnswerBytes));
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(ConnectPatience);
        try
        {
            await ConnectAsync(socket, new UnixDomainSocketEndPoint(path), limit.Token).ConfigureAwait(false);
            client.Agent = await client.AskAsync(
                ControlRequests.Hello, new HelloArguments(ControlProtocol.Version, $"sockwatch {BuildInfo.Current.Version}"), limit.Token).ConfigureAwait(false);
            return client;
        }
        catch (SocketException failure) when (failure.SocketErrorCode == SocketError.AccessDenied)
        {
            client.Dispose();
            throw new ControlException(ControlErrors.NotPermitted, $"{path} is for root only");
        }
        catch (Exception failure) when (failure is SocketException or IOException)
        {
            // Nothing there, left behind by an agent that was killed, or one that ends at this moment.
            client.Dispose();
            return null;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            client.Dispose();
            throw new ControlException(ControlErrors.TimedOut, $"the agent does not answer at {path}");
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    /// <exception cref="ControlException">The agent says no, with the reason.</exception>
    /// <exception cref="IOException">The agent is gone.</exception>
    public async Task<TReply> AskAsync<TArguments, TReply>(ControlRequest<TArguments, TReply> request, TArguments arguments, CancellationToken cancellation)
    {
        await SendAsync(request.Name, JsonSerializer.SerializeToElement(arguments, request.Arguments), cancellation).ConfigureAwait(false);
        var answer = await ReceiveAsync(AnswerPatience, cancellation).ConfigureAwait(false);
        return answer.Kind == FrameKind.Reply
            ? JsonSerializer.Deserialize(answer.Body.Span, request.Reply)!
            : throw Unexpected(answer.Kind);
    }

    /// <summary>Reads a stream to its end. The connection serves for nothing else afterwards.</summary>
    /// <param name="stopping">Asks for the end: what is under way comes first.</param>
    /// <exception cref="ControlException">The agent says no, with the reason.</exception>
    /// <exception cref="IOException">The agent is gone.</exception>
    public async Task<TEnd> ReadAsync<TArguments, TItem, TEnd>(
        ControlStreamRequest<TArguments, TItem, TEnd> request,
        TArguments arguments,
        ItemReader<TItem> reader,
        CancellationToken stopping,
        CancellationToken cancellation)
    {
        await SendAsync(request.Name, JsonSerializer.SerializeToElement(arguments, request.Arguments), cancellation).ConfigureAwait(false);
        var asking = stopping.Register(() => _ = AskForEndAsync());
        await using (asking.ConfigureAwait(false))
        {
            while (true)
            {
                var frame = await ReceiveAsync(Timeout.InfiniteTimeSpan, cancellation).ConfigureAwait(false);
                switch (frame.Kind)
                {
                    case FrameKind.Item when request.Item is null:
                        reader.OnText(frame.Body.Span);
                        break;
                    case FrameKind.Item:
                        reader.OnItem(JsonSerializer.Deserialize(frame.Body.Span, request.Item)!);
                        break;
                    case FrameKind.Dropped:
                        reader.OnLosses(JsonSerializer.Deserialize(frame.Body.Span, ControlJson.Default.StreamLosses)!);
                        break;
                    case FrameKind.End:
                        return JsonSerializer.Deserialize(frame.Body.Span, request.End)!;
                    default:
                        throw Unexpected(frame.Kind);
                }
            }
        }
    }

    public void Dispose() => _connection.Dispose();

    private static async Task ConnectAsync(Socket socket, UnixDomainSocketEndPoint agent, CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                await socket.ConnectAsync(agent, cancellation).ConfigureAwait(false);
                return;
            }
            catch (SocketException failure) when (failure.SocketErrorCode == SocketError.WouldBlock)
            {
                // So many are waiting to be let in that the kernel takes no more.
                await Task.Delay(BusyPause, cancellation).ConfigureAwait(false);
            }
        }
    }

    private static IOException Unexpected(FrameKind kind) => new($"the agent answered with a message of kind {(int)kind}");

    private async Task AskForEndAsync()
    {
        try
        {
            await _connection.SendAsync(FrameKind.Stop, ReadOnlyMemory<byte>.Empty, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException or ControlException)
        {
            // It is gone; whoever reads learns that as well.
        }
    }

    private async Task SendAsync(string name, JsonElement arguments, CancellationToken cancellation)
    {
        try
        {
            await _connection.SendAsync(
                FrameKind.Request, new ControlEnvelope(name, arguments), ControlJson.Default.ControlEnvelope, cancellation).ConfigureAwait(false);
        }
        catch (IOException)
        {
            // Turned away before we spoke: the reason is there to be read.
        }
    }

    private async Task<ControlFrame> ReceiveAsync(TimeSpan patience, CancellationToken cancellation)
    {
        try
        {
            var frame = await _connection.ReceiveAsync(patience, patience, cancellation).ConfigureAwait(false)
                ?? throw new IOException("the agent is gone");
            if (frame.Kind != FrameKind.Error)
            {
                return frame;
            }

            var error = JsonSerializer.Deserialize(frame.Body.Span, ControlJson.Default.ControlError)!;
            throw new ControlException(error.Code, PrintableText.Of(error.Message));
        }
        catch (Exception failure) when (failure is SocketException or JsonException or ControlException { Code: ControlErrors.Malformed })
        {
            throw new IOException("the agent is gone", failure);
        }
    }
}

/// <summary>What a client does with a stream. Called one after the other; the next item waits.</summary>
internal abstract class ItemReader<TItem>
{
    public virtual void OnItem(TItem item)
    {
    }

    public virtual void OnText(ReadOnlySpan<byte> lines)
    {
    }

    public virtual void OnLosses(StreamLosses losses)
    {
    }
}
