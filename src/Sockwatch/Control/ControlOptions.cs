namespace Sockwatch.Control;

internal sealed class ControlOptions
{
    /// <summary>Whether a running agent can be asked and told things through a socket in its state directory, by root.</summary>
    public bool Enabled { get; set; } = true;

    /// <summary>Clients at once; more are turned away.</summary>
    public int MaxClients { get; set; } = 64;

    /// <summary>Traces at once.</summary>
    public int MaxTraces { get; set; } = 8;

    /// <summary>Records that may wait for each trace; what finds no room is counted, and the trace is told.</summary>
    public int TraceQueueLength { get; set; } = 16_384;
}
