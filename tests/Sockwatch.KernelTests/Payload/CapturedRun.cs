namespace Sockwatch.KernelTests.Payload;

/// <summary>What a trace captured of all that the payload program sent, beside what its other sides received.</summary>
/// <param name="Limit">Of a connection and direction.</param>
/// <param name="Receives">Whether what is received is captured as well.</param>
/// <param name="SeesPages">Whether the kernel says where its pages are.</param>
internal sealed record CapturedRun(IReadOnlyList<SentPayload> Truth, IReadOnlyList<CapturedRecord> Records, int Limit, bool Receives, bool SeesPages)
{
    public static readonly IReadOnlyList<string> Families = ["4", "6", "mapped"];

    private IEnumerable<CapturedRecord> Pieces => Records.Where(record => record.Event == "flow.payload");

    public string Summary => $"{Truth.Count(one => one.Sent is not null)} connections, {Pieces.Count()} pieces, "
        + $"{Pieces.Sum(piece => piece.Payload!.Length)} bytes; received: {Receives}; pages: {SeesPages}";

    /// <summary>What is wrong, in words.</summary>
    public IReadOnlyList<string> Differences()
    {
        var differences = Truth.SelectMany(one => one.Differences(Records, Limit, SeesPages, Receives)).ToList();
        if (Truth.Count == 0)
        {
            differences.Add("nothing was sent");
        }

        // What a child sends over its parent's connection is the child's.
        differences.AddRange(Truth.Where(one => one.Name == "child").Select(one => (one.Family, Senders: Senders(one)))
            .Where(one => one.Senders != 2).Select(one => $"child over {one.Family}: {one.Senders} processes sent, and not 2"));
        return differences;
    }

    private int Senders(SentPayload one) => Pieces
        .Where(piece => piece.Role == "client" && piece.ClientPort == one.LocalPort && piece.ServerPort == one.RemotePort)
        .Select(piece => piece.Pid).Distinct().Count();
}
