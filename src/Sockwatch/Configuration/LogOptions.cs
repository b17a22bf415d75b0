using Microsoft.Extensions.Logging;

namespace Sockwatch.Configuration;

/// <summary>What the agent says about itself on standard error.</summary>
internal sealed class LogOptions
{
    /// <summary>The least important messages still written.</summary>
    public LogLevel Level { get; set; } = LogLevel.Information;
}
