using Sockwatch.Aggregation;
using Sockwatch.Exporters.Top;

namespace Sockwatch.Control.Features;

/// <summary><c>top</c>: a table of what moves, again and again.</summary>
internal sealed class TopControl(IReportSource reports, TimeProvider time) : IControlFeature
{
    private const double LeastSeconds = 0.1;
    private const double MostSeconds = 3600;

    public void Register(ControlHandlers handlers) => handlers.On(ControlRequests.Top, TopAsync);

    private async Task<Done> TopAsync(TopArguments arguments, IControlStream<TopPart> stream, CancellationToken cancellation)
    {
        if (arguments.Seconds is not (>= LeastSeconds and <= MostSeconds))
        {
            throw new ControlException(ControlErrors.BadArgument, $"the time between two tables is from {LeastSeconds} s to {MostSeconds} s");
        }

        var tables = new TopTables(reports, TimeSpan.FromSeconds(arguments.Seconds), time);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stream.Stopped, cancellation);
        try
        {
            while (true)
            {
                var rows = await tables.NextAsync(ending.Token).ConfigureAwait(false);
                foreach (var (part, isLast) in RowParts.Of(rows, row =>
                    row.Executable.Length + row.Workload.Length + row.Role.Length + row.Peer.Length + row.Port.Length + row.Transport.Length))
                {
                    await stream.SendAsync(new TopPart([.. part], isLast), cancellation).ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException) when (stream.Stopped.IsCancellationRequested && !cancellation.IsCancellationRequested)
        {
            return new Done();
        }
    }
}
