using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Sockwatch.Control;

/// <summary>
/// A part of the agent that can be asked something through the control socket. Each is a singleton of the container:
/// <c>services.AddSingleton&lt;IControlFeature, …&gt;()</c> is all it takes.
/// </summary>
internal interface IControlFeature
{
    /// <summary>Called once, as the agent starts. Handlers run on any thread and side by side.</summary>
    void Register(ControlHandlers handlers);
}

/// <summary>Where the items of a stream go. Waits while the client does not read, so that a slow one costs no memory.</summary>
/// <typeparam name="TItem">What the stream consists of.</typeparam>
internal interface IControlStream<TItem>
{
    ControlPeer Peer { get; }

    /// <summary>Set when the client asks for no more: the handler is to come to its end.</summary>
    CancellationToken Stopped { get; }

    ValueTask SendAsync(TItem item, CancellationToken cancellation);

    /// <summary>Sends whole lines, waiting on the calling thread.</summary>
    /// <exception cref="IOException">The client is gone.</exception>
    void SendText(ReadOnlySpan<byte> lines);

    /// <summary>Tells of losses, waiting on the calling thread.</summary>
    /// <exception cref="IOException">The client is gone.</exception>
    void SendLosses(StreamLosses losses);
}

/// <summary>
/// Who answers which request. A handler throws <see cref="ControlException"/> for what is the client's doing; anything else it
/// throws is told to the client as well, and logged.
/// </summary>
internal sealed class ControlHandlers
{
    private readonly Dictionary<string, IControlHandler> _byName = new(StringComparer.Ordinal);

    public IReadOnlyList<string> Names => [.. _byName.Keys.Order(StringComparer.Ordinal)];

    /// <param name="handle">Its token ends when the client is gone, took too long, or the agent stops.</param>
    public void On<TArguments, TReply>(
        ControlRequest<TArguments, TReply> request, Func<TArguments, ControlPeer, CancellationToken, ValueTask<TReply>> handle) =>
        _byName.Add(request.Name, new ReplyHandler<TArguments, TReply>(request, handle));

    /// <param name="handle">Its token ends when the client is gone or the agent stops; the result sums the stream up.</param>
    public void On<TArguments, TItem, TEnd>(
        ControlStreamRequest<TArguments, TItem, TEnd> request, Func<TArguments, IControlStream<TItem>, CancellationToken, Task<TEnd>> handle) =>
        _byName.Add(request.Name, new StreamHandler<TArguments, TItem, TEnd>(request, handle));

    public IControlHandler? Find(string name) => _byName.GetValueOrDefault(name);

    private static TArguments Read<TArguments>(string name, JsonElement arguments, JsonTypeInfo<TArguments> type)
    {
        try
        {
            return arguments.Deserialize(type) ?? throw new ControlException(ControlErrors.BadArgument, $"{name} needs arguments");
        }
        catch (JsonException failure)
        {
            throw new ControlException(ControlErrors.BadArgument, $"{name}: {failure.Message}");
        }
    }

    private sealed class ReplyHandler<TArguments, TReply>(
        ControlRequest<TArguments, TReply> request, Func<TArguments, ControlPeer, CancellationToken, ValueTask<TReply>> handle) : IControlHandler
    {
        public bool IsStream => false;

        public async Task<(FrameKind Kind, byte[] Body)> HandleAsync(
            JsonElement arguments, ControlPeer peer, IControlFrames frames, CancellationToken stopped, CancellationToken cancellation)
        {
            var reply = await handle(Read(request.Name, arguments, request.Arguments), peer, cancellation).ConfigureAwait(false);
            return (FrameKind.Reply, JsonSerializer.SerializeToUtf8Bytes(reply, request.Reply));
        }
    }

    private sealed class StreamHandler<TArguments, TItem, TEnd>(
        ControlStreamRequest<TArguments, TItem, TEnd> request, Func<TArguments, IControlStream<TItem>, CancellationToken, Task<TEnd>> handle) : IControlHandler
    {
        public bool IsStream => true;

        public async Task<(FrameKind Kind, byte[] Body)> HandleAsync(
            JsonElement arguments, ControlPeer peer, IControlFrames frames, CancellationToken stopped, CancellationToken cancellation)
        {
            var stream = new ItemStream<TItem>(frames, peer, request.Item, stopped);
            var end = await handle(Read(request.Name, arguments, request.Arguments), stream, cancellation).ConfigureAwait(false);
            return (FrameKind.End, JsonSerializer.SerializeToUtf8Bytes(end, request.End));
        }
    }

    private sealed class ItemStream<TItem>(IControlFrames frames, ControlPeer peer, JsonTypeInfo<TItem>? type, CancellationToken stopped)
        : IControlStream<TItem>
    {
        public ControlPeer Peer => peer;

        public CancellationToken Stopped => stopped;

        public ValueTask SendAsync(TItem item, CancellationToken cancellation) => frames.SendAsync(
            FrameKind.Item, JsonSerializer.SerializeToUtf8Bytes(item, type ?? throw new InvalidOperationException("A stream of text.")), cancellation);

        public void SendText(ReadOnlySpan<byte> lines) => frames.Send(FrameKind.Item, lines);

        public void SendLosses(StreamLosses losses) =>
            frames.Send(FrameKind.Dropped, JsonSerializer.SerializeToUtf8Bytes(losses, ControlJson.Default.StreamLosses));
    }
}

/// <summary>What the server knows of a request.</summary>
internal interface IControlHandler
{
    bool IsStream { get; }

    /// <returns>The last frame of the answer.</returns>
    Task<(FrameKind Kind, byte[] Body)> HandleAsync(
        JsonElement arguments, ControlPeer peer, IControlFrames frames, CancellationToken stopped, CancellationToken cancellation);
}

/// <summary>The sending end of a connection.</summary>
internal interface IControlFrames
{
    ValueTask SendAsync(FrameKind kind, ReadOnlyMemory<byte> body, CancellationToken cancellation);

    void Send(FrameKind kind, ReadOnlySpan<byte> body);
}
