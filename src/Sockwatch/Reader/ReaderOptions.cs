namespace Sockwatch.Reader;

internal sealed class ReaderOptions
{
    /// <summary>How often a flow that goes on is recorded; 0 for never.</summary>
    public TimeSpan UpdateInterval { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>Silence after which a UDP conversation counts as ended.</summary>
    public TimeSpan UdpIdle { get; set; } = TimeSpan.FromMinutes(1);
}
