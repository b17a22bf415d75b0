using System.Runtime.InteropServices;
using Sockwatch.Control;
using Sockwatch.Exporters;
using Sockwatch.Exporters.Trace;
using Sockwatch.Kernel;

namespace Sockwatch.Commands.Trace;

/// <summary>
/// A trace through the running agent, which makes the lines and keeps the books. An agent that ends is waited for, and the trace
/// goes on with the next one.
/// </summary>
internal sealed class AttachedTrace : ItemReader<string>, IDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    // After the end was asked for: long enough for what the agent still has to say.
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(3);

    private readonly CommandContext _context;
    private readonly TraceOrder _order;
    private readonly IFlowLogOutput _output;
    private readonly CancellationTokenSource _cut = new();
    private StreamLosses _told = new(0, 0);
    private StreamLosses _ofThisAgent = new(0, 0);
    private StreamLosses _ofEarlierAgents = new(0, 0);
    private long _lines;
    private int _errno;

    private AttachedTrace(CommandContext context, TraceOrder order)
    {
        _context = context;
        _order = order;
        _output = context.RecordOutput();
    }

    private StreamLosses Losses => new(
        _ofEarlierAgents.Items + _ofThisAgent.Items, _ofEarlierAgents.Kernel + _ofThisAgent.Kernel, _ofEarlierAgents.Unread + _ofThisAgent.Unread);

    /// <returns>Null when no agent runs here.</returns>
    public static async Task<int?> TryRunAsync(CommandContext context, string stateDirectory, TraceOrder order, CancellationToken ending)
    {
        try
        {
            var client = await ControlClient.TryConnectAsync(stateDirectory, ending).ConfigureAwait(false);
            if (client is null)
            {
                return null;
            }

            using var trace = new AttachedTrace(context, order);
            return await trace.RunAsync(client, stateDirectory, ending).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested)
        {
            return ExitCode.Done;
        }
        catch (ControlException failure)
        {
            throw new CommandFailedException($"{failure.Message} (--standalone traces without the agent)", failure);
        }
    }

    public override void OnText(ReadOnlySpan<byte> lines)
    {
        _lines += lines.Count((byte)'\n');
        _output.Write(lines, out _errno);
        if (_errno != 0)
        {
            throw new OutputException();
        }
    }

    public override void OnLosses(StreamLosses losses)
    {
        _ofThisAgent = losses;
        TellNewLosses();
    }

    public void Dispose()
    {
        _cut.Dispose();
        _output.Dispose();
    }

    private async Task<int> RunAsync(ControlClient first, string stateDirectory, CancellationToken ending)
    {
        using var cutting = ending.Register(() => _cut.CancelAfter(EndPatience));
        var client = first;
        try
        {
            while (!await IsDoneAsync(client, ending).ConfigureAwait(false))
            {
                client.Dispose();
                client = await ReconnectAsync(stateDirectory, ending).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested)
        {
            // Told to end while it waited for an agent, or one did not answer any more.
        }
        catch (OutputException)
        {
            // A reader such as head(1) that has enough is no failure.
            if (_errno != LibC.Epipe)
            {
                throw new CommandFailedException($"cannot write to standard output: {Marshal.GetPInvokeErrorMessage(_errno)}");
            }
        }
        finally
        {
            client.Dispose();
        }

        TellNewLosses();
        return ExitCode.Done;
    }

    /// <returns>False when the agent has ended and the trace has not.</returns>
    private async Task<bool> IsDoneAsync(ControlClient client, CancellationToken ending)
    {
        try
        {
            long? maxLines = _order.MaxLines == long.MaxValue ? null : _order.MaxLines - _lines;
            var end = await client.ReadAsync(
                ControlRequests.Trace, new TraceArguments(_order.AsJson ? "json" : "text", _order.Choice, maxLines), this, ending, _cut.Token).ConfigureAwait(false);
            _ofThisAgent = end.Losses;
            if (ending.IsCancellationRequested || _lines >= _order.MaxLines)
            {
                return true;
            }
        }
        catch (IOException) when (!ending.IsCancellationRequested)
        {
            // It was killed: what it had not told by then nobody knows.
        }

        _ofEarlierAgents = Losses;
        _ofThisAgent = new StreamLosses(0, 0);
        return false;
    }

    private async Task<ControlClient> ReconnectAsync(string stateDirectory, CancellationToken ending)
    {
        await _context.Terminal.Error.WriteLineAsync("sockwatch: the agent has ended; the trace goes on when it is back").ConfigureAwait(false);
        for (var pause = FirstPause; ; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            await Task.Delay(pause, _context.Time, ending).ConfigureAwait(false);
            if (await ControlClient.TryConnectAsync(stateDirectory, ending).ConfigureAwait(false) is { } client)
            {
                return client;
            }
        }
    }

    // The agent tells at most once a second.
    private void TellNewLosses()
    {
        var losses = Losses;
        TraceLosses.Tell(_context.Terminal.Error, losses.Items - _told.Items, losses.Kernel - _told.Kernel, losses.Unread - _told.Unread);
        _told = losses;
    }

    private sealed class OutputException : Exception;
}
