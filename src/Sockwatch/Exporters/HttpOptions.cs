namespace Sockwatch.Exporters;

/// <summary>The listener for /metrics and the health pages.</summary>
internal sealed class HttpOptions
{
    /// <summary>ADDRESS:PORT, or :PORT for every address. Whoever reaches it can read who talks to whom.</summary>
    public string Listen { get; set; } = "127.0.0.1:9807";
}
