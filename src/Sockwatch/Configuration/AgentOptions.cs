namespace Sockwatch.Configuration;

/// <summary>Settings of no stage in particular.</summary>
internal sealed class AgentOptions
{
    /// <summary>Where the agent keeps its lock and what must survive it. Made at start when missing.</summary>
    public string StateDirectory { get; set; } = "/run/sockwatch";
}
