namespace Sockwatch.Aggregation;

/// <summary>When the kernel's totals are read.</summary>
internal sealed class CollectionOptions
{
    /// <summary>How often the kernel's totals are read; how old a metric may be.</summary>
    public TimeSpan Interval { get; set; } = TimeSpan.FromSeconds(5);
}
