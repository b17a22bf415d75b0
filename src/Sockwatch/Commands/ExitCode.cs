namespace Sockwatch.Commands;

internal static class ExitCode
{
    public const int Done = 0;

    /// <summary>The work failed.</summary>
    public const int Failed = 1;

    /// <summary>Bad usage or bad configuration.</summary>
    public const int Usage = 2;
}
