namespace Sockwatch.Diagnostics;

/// <summary>The hook in use for one operation. Backend is empty when there is none; State then says why.</summary>
internal sealed record HookReport(string Operation, string Backend, string State);

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
