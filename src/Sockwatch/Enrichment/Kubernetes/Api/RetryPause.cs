namespace Sockwatch.Enrichment.Kubernetes.Api;

/// <summary>
/// How long to wait before asking again: longer each time, and never the same for two agents, or a server that comes back would
/// be asked by all nodes at once.
/// </summary>
internal sealed class RetryPause(ApiPatience patience, TimeProvider time, Random random)
{
    // No server means more, and a timer does not take more than weeks.
    private static readonly TimeSpan LongestAsked = TimeSpan.FromMinutes(5);

    private TimeSpan _next = patience.FirstPause;

    public void Reset() => _next = patience.FirstPause;

    public Task WaitAsync(ApiException? failure, CancellationToken cancellation) => Task.Delay(Next(failure), time, cancellation);

    internal TimeSpan Next(ApiException? failure)
    {
        if (failure is { IsRefused: true })
        {
            return patience.RefusedPause * (0.75 + (random.NextDouble() / 2));
        }

        var pause = _next;
        _next = pause * 2 < patience.LongestPause ? pause * 2 : patience.LongestPause;
        var jittered = pause * (0.5 + (random.NextDouble() / 2));

        if (failure?.RetryAfter is not { } asked || asked <= TimeSpan.Zero)
        {
            return jittered;
        }

        // Never sooner than the server asked for, within reason.
        return (asked < LongestAsked ? asked : LongestAsked) + (jittered / 2);
    }
}
