using System.Collections.Immutable;

namespace Sockwatch.Diagnostics;

/// <summary>What became of a DNS answer.</summary>
internal enum DnsOutcome
{
    /// <summary>It gave addresses their names.</summary>
    Named,

    /// <summary>It held no address.</summary>
    Empty,

    /// <summary>Its sender had more to say than fits; the asker asks again by TCP.</summary>
    Truncated,

    /// <summary>It breaks the rules of the format.</summary>
    Malformed,

    /// <summary>Nobody had asked for it: forged, or late.</summary>
    Unsolicited,
}

/// <summary>DNS answers seen on this machine, by what became of them. Any thread may use it.</summary>
internal sealed class DnsLedger
{
    public static readonly ImmutableArray<string> Outcomes = ["named", "empty", "truncated", "malformed", "unsolicited"];

    private readonly long[] _answers = new long[Outcomes.Length];

    public void Count(DnsOutcome outcome) => Interlocked.Increment(ref _answers[(int)outcome]);

    public ImmutableArray<long> Read() => [.. _answers.Select((_, outcome) => Interlocked.Read(ref _answers[outcome]))];
}
