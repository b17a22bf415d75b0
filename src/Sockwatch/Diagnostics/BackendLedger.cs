using System.Collections.Immutable;

namespace Sockwatch.Diagnostics;

/// <summary>What came of asking who is behind a service.</summary>
internal enum BackendOutcome
{
    /// <summary>Somebody is, and is known by address.</summary>
    Found,

    /// <summary>The kernel tracks no such conversation, or translates nothing of it.</summary>
    Unknown,

    /// <summary>The kernel could not be asked.</summary>
    Failed,
}

/// <summary>Questions for who is behind a service, by what came of them. Any thread may use it.</summary>
internal sealed class BackendLedger
{
    public static readonly ImmutableArray<string> Outcomes = ["found", "unknown", "failed"];

    private readonly long[] _questions = new long[Outcomes.Length];

    public void Count(BackendOutcome outcome) => Interlocked.Increment(ref _questions[(int)outcome]);

    public ImmutableArray<long> Read() => [.. _questions.Select((_, outcome) => Interlocked.Read(ref _questions[outcome]))];
}
