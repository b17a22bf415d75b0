using Microsoft.Extensions.Hosting;

namespace Sockwatch.Enrichment;

/// <summary>What naming does on its own time: it empties the ring of DNS messages and lets go of what is gone.</summary>
internal sealed class NameKeeper(EdgeNaming naming, TimeProvider time) : BackgroundService
{
    private static readonly TimeSpan DrainInterval = TimeSpan.FromMilliseconds(250);
    private const int DrainsPerSweep = 40;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(DrainInterval, time);
        try
        {
            for (var drains = 1; await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false); drains++)
            {
                naming.DrainDns();
                if (drains % DrainsPerSweep == 0 || naming.HasManyNewCgroups)
                {
                    naming.SweepCgroups();
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }
}
