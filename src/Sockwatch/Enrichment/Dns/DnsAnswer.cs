using Sockwatch.Kernel;

namespace Sockwatch.Enrichment.Dns;

/// <summary>What a DNS message turned out to be.</summary>
internal enum DnsReading
{
    /// <summary>It breaks the rules of the format, or names itself in circles.</summary>
    Malformed,
    Question,

    /// <summary>An answer whose sender had more to say than fits: the asker will ask again, by TCP.</summary>
    Truncated,

    /// <summary>An answer without an address: there is none, or the question was about something else.</summary>
    Empty,
    Answer,
}

/// <summary>The question of a DNS message and, of an answer, the addresses that it gives for that question.</summary>
internal sealed class DnsAnswer
{
    public const int MaxAddresses = 64;

    public ushort Id { get; set; }

    /// <summary>In lower case, escaped as in a zone file; the root is empty.</summary>
    public string Name { get; set; } = "";

    public ushort Type { get; set; }

    /// <summary>The shortest on the way from the question to the addresses.</summary>
    public TimeSpan TimeToLive { get; set; }

    public List<Address16> Addresses { get; } = [];
}
