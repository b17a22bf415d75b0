namespace Sockwatch.Diagnostics;

/// <summary>What we measure about ourselves.</summary>
internal sealed class DiagnosticsOptions
{
    /// <summary>Whether the kernel times the BPF programs, which itself slows every socket operation a little.</summary>
    public ProgramStatsMode ProgramStats { get; set; } = ProgramStatsMode.Sampled;
}

internal enum ProgramStatsMode
{
    Off,

    /// <summary>Now and then for a moment, so that the cost is seen and hardly felt.</summary>
    Sampled,

    On,
}
