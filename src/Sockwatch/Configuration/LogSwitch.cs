using Microsoft.Extensions.Logging;

namespace Sockwatch.Configuration;

/// <summary>The least important messages that are written; may be changed while the agent runs.</summary>
internal sealed class LogSwitch(LogLevel level)
{
    private volatile int _level = (int)level;

    public LogLevel Level
    {
        get => (LogLevel)_level;
        set => _level = (int)value;
    }

    public bool Writes(string? category, LogLevel level)
    {
        var least = Level;

        // What the web server says about each request and the host about itself is ours to say, or not at all; a stage that fails is
        // the command's to report, in one line.
        if (least > LogLevel.Debug && category is not null && category.StartsWith("Microsoft", StringComparison.Ordinal))
        {
            least = category.StartsWith("Microsoft.Extensions.Hosting", StringComparison.Ordinal) ? LogLevel.None : LogLevel.Warning;
        }

        return level >= least;
    }
}
