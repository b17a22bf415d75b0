using System.Threading.Channels;
using Microsoft.Extensions.Configuration;
using Sockwatch.Configuration;
using Sockwatch.Control;
using Sockwatch.Exporters.Top;

namespace Sockwatch.Commands.Top;

/// <summary>Tables from the running agent. Only the last one is kept for whoever is slow to look.</summary>
internal sealed class AttachedTop : ItemReader<TopPart>, ITopTables, IDisposable
{
    private readonly ControlClient _client;
    private readonly TimeSpan _interval;
    private readonly CancellationTokenSource _ending = new();
    private readonly Channel<IReadOnlyList<TopRow>> _tables =
        Channel.CreateBounded<IReadOnlyList<TopRow>>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest });

    private List<TopRow> _rows = [];
    private Task? _reading;

    private AttachedTop(ControlClient client, TimeSpan interval)
    {
        _client = client;
        _interval = interval;
    }

    /// <returns>Null when no agent runs here.</returns>
    public static async Task<AttachedTop?> TryConnectAsync(
        CommandContext context, IConfiguration configuration, TimeSpan interval, CancellationToken cancellation)
    {
        var agent = configuration.Get<AgentOptions>() ?? new AgentOptions();
        try
        {
            return await ControlClient.TryConnectAsync(agent.StateDirectory, cancellation).ConfigureAwait(false) is { } client
                ? new AttachedTop(client, interval)
                : null;
        }
        catch (ControlException failure)
        {
            throw new CommandFailedException($"{failure.Message} (--standalone does without the agent)", failure);
        }
    }

    public override void OnItem(TopPart item)
    {
        _rows.AddRange(item.Rows);
        if (item.IsLast)
        {
            _tables.Writer.TryWrite(_rows);
            _rows = [];
        }
    }

    public async Task<IReadOnlyList<TopRow>> NextAsync(CancellationToken cancellation)
    {
        _reading ??= ReadAsync();
        try
        {
            return await _tables.Reader.ReadAsync(cancellation).ConfigureAwait(false);
        }
        catch (ChannelClosedException failure)
        {
            throw new CommandFailedException(failure.InnerException?.Message ?? "the agent has ended", failure);
        }
    }

    public void Dispose()
    {
        _ending.Cancel();
        _client.Dispose();
        _ending.Dispose();
    }

    private async Task ReadAsync()
    {
        try
        {
            await _client.ReadAsync(ControlRequests.Top, new TopArguments(_interval.TotalSeconds), this, CancellationToken.None, _ending.Token).ConfigureAwait(false);
            _tables.Writer.TryComplete();
        }
        catch (Exception failure) when (failure is IOException or ControlException or OperationCanceledException or ObjectDisposedException)
        {
            _tables.Writer.TryComplete(failure);
        }
    }
}
