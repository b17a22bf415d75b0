namespace Sockwatch.Exporters;

/// <summary>The listener for /metrics, the health pages and the page for people.</summary>
internal sealed class HttpOptions
{
    /// <summary>ADDRESS:PORT, or :PORT for every address. Whoever reaches it can read who talks to whom.</summary>
    public string Listen { get; set; } = "127.0.0.1:9807";

    /// <summary>
    /// Flow records kept in memory for the page: so many failures and detections, and so many others. They hold addresses and
    /// pids, which whoever reaches the listener then can read; 0 keeps none.
    /// </summary>
    public int RecentRecords { get; set; } = 500;
}
