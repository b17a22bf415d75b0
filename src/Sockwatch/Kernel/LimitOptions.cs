namespace Sockwatch.Kernel;

/// <summary>
/// How much of a bounded table one process may have once half of it is in use, in per cent. Past it, its own overflow takes what it
/// has too much of, so that the others find room.
/// </summary>
internal sealed class LimitOptions
{
    public int ProcessShare { get; set; } = 25;

    /// <summary>The same for everything in one container, or unit, together: of conversations counted apart.</summary>
    public int ContainerShare { get; set; } = 50;

    /// <summary>Processes with a limit of their own, set at run time. Past this, the oldest limit is dropped.</summary>
    public int MaxProcesses { get; set; } = 8_192;
}
