namespace Sockwatch.Control;

/// <summary>How long a client may take.</summary>
internal sealed record ControlPatience
{
    /// <summary>From connecting to the first message.</summary>
    public TimeSpan Hello { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Between requests.</summary>
    public TimeSpan Idle { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>From the first byte of a message to its last.</summary>
    public TimeSpan Message { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>To take an answer off our hands.</summary>
    public TimeSpan Answer { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long we may take to answer.</summary>
    public TimeSpan Work { get; init; } = TimeSpan.FromSeconds(30);
}
