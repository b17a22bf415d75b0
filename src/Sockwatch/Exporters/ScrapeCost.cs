namespace Sockwatch.Exporters;

/// <summary>What the last page of /metrics took. A page cannot say it of itself, so the next one does, and whatever is pushed.</summary>
internal sealed class ScrapeCost
{
    private volatile Scrape _last = new(TimeSpan.Zero, 0, 0);

    public Scrape Last
    {
        get => _last;
        set => _last = value;
    }

    internal sealed record Scrape(TimeSpan Duration, long Bytes, long Series);
}
