namespace Sockwatch.Commands;

/// <summary>What a command writes to and reads from; a test brings its own.</summary>
internal sealed class Terminal
{
    public required TextWriter Output { get; init; }

    public required TextWriter Error { get; init; }

    /// <summary>Standard output is a terminal: colours, a live table.</summary>
    public bool IsInteractive { get; init; }

    /// <summary>The key pressed since the last call; null when there is none.</summary>
    public Func<ConsoleKeyInfo?> ReadKey { get; init; } = () => null;

    public static Terminal OfProcess() => new()
    {
        Output = Console.Out,
        Error = Console.Error,
        IsInteractive = !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("TERM") is not (null or "" or "dumb"),
        ReadKey = () => !Console.IsInputRedirected && Console.KeyAvailable ? Console.ReadKey(intercept: true) : null,
    };
}
