namespace Sockwatch.Exporters;

/// <summary>Where flow records go, and how they are written.</summary>
internal sealed class FlowLogOptions
{
    /// <summary>"-" is standard output, "none" turns the flow log off, anything else is a file to append to.</summary>
    public string Target { get; set; } = "-";

    public FlowLogFormat Format { get; set; } = FlowLogFormat.Auto;

    /// <summary>Size at which the file becomes FILE.1 and a new one begins; 0 is never.</summary>
    public long MaxFileBytes { get; set; }

    /// <summary>How many renamed files are kept.</summary>
    public int MaxFiles { get; set; } = 5;

    /// <summary>Records that may wait for a slow target. Past this, they are lost and counted; the agent never waits.</summary>
    public int QueueLength { get; set; } = 16_384;

    /// <summary>Of <see cref="FlowLogNames.Kinds"/>; empty is all of them.</summary>
    public IList<string> Kinds { get; } = [];

    /// <summary>Share of flows that are written, all records of a flow or none.</summary>
    public double Sampling { get; set; } = 1;

    /// <summary>Flows that ended sooner have no end record.</summary>
    public TimeSpan MinDuration { get; set; }

    /// <summary>Flows that carried less, both ways together, have no update and no end record.</summary>
    public long MinBytes { get; set; }
}

internal enum FlowLogFormat
{
    /// <summary>Text on a terminal, JSON elsewhere.</summary>
    Auto,

    /// <summary>One JSON object per line, for programs.</summary>
    Json,

    /// <summary>One aligned line per event, for people. Leaves updates out.</summary>
    Text,
}
