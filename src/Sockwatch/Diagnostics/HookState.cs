namespace Sockwatch.Diagnostics;

/// <summary>How one operation is observed by one backend; an operation may be by several, each of which sees a part of it.</summary>
internal sealed record HookReport(string Operation, string Backend, string State)
{
    public const string Attached = "attached";

    /// <summary>Something is not seen that totals do without.</summary>
    public const string Missing = "missing";

    /// <summary>It was attached, and totals are wrong until it is again.</summary>
    public const string Lost = "lost";
}

/// <summary>What the loader has attached, for everyone who tells.</summary>
internal sealed class HookState
{
    private volatile IReadOnlyList<HookReport> _current = [];

    public IReadOnlyList<HookReport> Current
    {
        get => _current;
        set => _current = value;
    }
}
