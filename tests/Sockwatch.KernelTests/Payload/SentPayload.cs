using System.Text.Json;

namespace Sockwatch.KernelTests.Payload;

/// <summary>A connection of tests/load/payload, as its other side received it.</summary>
/// <param name="Sent">The first bytes; null when the machine could not do what the case is about.</param>
internal sealed record SentPayload(string Name, string Family, int LocalPort, int RemotePort, long Total, byte[]? Sent, string Skipped)
{
    /// <summary>What the other side answers, each time.</summary>
    private const int AnswerLength = 3000;

    public static IReadOnlyList<SentPayload> Read(string json)
    {
        using var document = JsonDocument.Parse(json);
        return
        [
            .. document.RootElement.EnumerateArray().Select(one => new SentPayload(
                one.GetProperty("name").GetString()!,
                one.GetProperty("family").GetString()!,
                one.GetProperty("local_port").GetInt32(),
                one.GetProperty("remote_port").GetInt32(),
                one.GetProperty("total").GetInt64(),
                one.TryGetProperty("sent", out var sent) ? Convert.FromHexString(sent.GetString()!) : null,
                one.TryGetProperty("skipped", out var skipped) ? skipped.GetString()! : "")),
        ];
    }

    /// <summary>What is wrong with what was captured of it, in words; empty when every byte and every number is right.</summary>
    /// <param name="canSeePages">Whether bytes in pages can be found on this kernel.</param>
    /// <param name="receives">Whether what is received is captured as well.</param>
    public IEnumerable<string> Differences(IReadOnlyList<CapturedRecord> records, int limit, bool canSeePages, bool receives)
    {
        if (Sent is null)
        {
            yield break;
        }

        var expected = Sent[..Math.Min(Sent.Length, limit)];
        if (!canSeePages && Name is "sendfile" or "splice")
        {
            // Only what is not in pages: of the former, a header.
            expected = Name == "sendfile" ? expected[..7] : [];
        }

        var answer = Answer();
        foreach (var (role, direction, bytes) in ((string, string, byte[])[])
                 [("client", "transmit", expected), ("server", "transmit", answer), ("client", "receive", answer), ("server", "receive", Sent[..Math.Min(Sent.Length, limit)])])
        {
            if (direction == "receive" && !receives)
            {
                continue;
            }

            var ofFlow = records.Where(record => record.ClientPort == LocalPort && record.ServerPort == RemotePort && record.Role == role).ToList();
            var pieces = ofFlow.Where(record => record.Event == "flow.payload" && record.Direction == direction).OrderBy(record => record.Sequence).ToList();
            var next = 0L;
            foreach (var piece in pieces)
            {
                if (piece.Sequence != next || piece.Payload!.Length == 0 || next + piece.Payload.Length > bytes.Length
                    || !bytes.AsSpan((int)next, piece.Payload.Length).SequenceEqual(piece.Payload))
                {
                    yield return $"{Name} over {Family}, {role} {direction}: the piece at {piece.Sequence}, of {piece.Payload!.Length} bytes, after {next} right ones of {bytes.Length}";
                    break;
                }

                next += piece.Payload.Length;
            }

            if (next != bytes.Length)
            {
                yield return $"{Name} over {Family}, {role} {direction}: {next} bytes in {pieces.Count} pieces, and not {bytes.Length}";
            }

            var end = ofFlow.SingleOrDefault(record => record.Event == "flow.end");
            var whole = direction == "transmit" ? end?.Payload : end?.Received;
            if (!bytes.AsSpan().SequenceEqual(whole))
            {
                yield return $"{Name} over {Family}, {role} {direction}: the record of the end has {whole?.Length ?? -1} bytes of {bytes.Length}, or others";
            }
        }
    }

    private static byte[] Answer() => [.. Enumerable.Range(0, AnswerLength / 8).SelectMany(word => System.Text.Encoding.ASCII.GetBytes($"a{word * 8:x6}."))];
}

/// <summary>What a line of <c>sockwatch trace --json</c> says of payload.</summary>
/// <param name="ClientPort">The port of the side that connected.</param>
internal sealed record CapturedRecord(
    string Event, string Role, int ClientPort, int ServerPort, string Direction, long Sequence, byte[]? Payload, byte[]? Received, int Pid, string Protocol)
{
    public static CapturedRecord Parse(string line)
    {
        using var document = JsonDocument.Parse(line);
        var record = document.RootElement;
        var role = Text(record, "network.role");
        return new CapturedRecord(
            Text(record, "event.name"),
            role,
            Number(record, role == "server" ? "network.peer.port" : "network.local.port"),
            Number(record, role == "server" ? "network.local.port" : "network.peer.port"),
            Text(record, "network.io.direction"),
            Number(record, "flow.payload.sequence"),
            Bytes(record, "flow.payload"),
            Bytes(record, "flow.payload.received"),
            Number(record, "process.pid"),
            Text(record, "network.protocol.name"));
    }

    public static IReadOnlyList<CapturedRecord> ReadAll(IEnumerable<string> lines) => [.. lines.Select(Parse)];

    private static string Text(JsonElement record, string name) => record.TryGetProperty(name, out var value) ? value.GetString()! : "";

    private static int Number(JsonElement record, string name) => record.TryGetProperty(name, out var value) ? value.GetInt32() : 0;

    private static byte[]? Bytes(JsonElement record, string name) =>
        record.TryGetProperty(name, out var value) ? Convert.FromBase64String(value.GetString()!) : null;
}
