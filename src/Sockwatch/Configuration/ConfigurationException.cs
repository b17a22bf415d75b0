namespace Sockwatch.Configuration;

/// <summary>The configuration cannot be used. The message is one line: where, which key, what was expected.</summary>
internal sealed class ConfigurationException : Exception
{
    public ConfigurationException(string message)
        : base(message)
    {
    }

    public ConfigurationException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
