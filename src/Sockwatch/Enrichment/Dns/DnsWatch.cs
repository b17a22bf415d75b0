using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Enrichment.Dns;

/// <summary>
/// Puts questions and answers together. An answer counts only for the socket that asked, from the server that was asked, with
/// the question's number, name and type; so nobody names anything by sending answers unasked. Not thread-safe.
/// </summary>
internal sealed class DnsWatch(DnsNames names, DnsLedger ledger, BootClock clock, int maxQuestions)
{
    // Longer than resolvers wait.
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(30);

    // Few are read in parts, and those for milliseconds.
    private const int MaxParts = 256;

    private readonly DnsParser _parser = new();
    private readonly DnsParts _parts = new(MaxParts);
    private readonly BoundedCache<(ulong Socket, Address16 Server, ushort Id, ushort Type), Question> _questions = new(maxQuestions);

    /// <summary>Questions forgotten before their answer, and answers before their last part, to make room. May be read by any thread.</summary>
    public long Evictions => _questions.Evictions + _parts.Evictions;

    /// <param name="scope">Who asked, as <see cref="DnsNames"/> tells them apart.</param>
    public void OnMessage(in DnsMessage message, string scope)
    {
        var isStream = message.Transport == TransportProtocol.Tcp;
        var text = isStream ? _parts.Add(message) : message.Captures;
        if (isStream && text.IsEmpty)
        {
            return;
        }

        var reading = _parser.Read(text, isWhole: text.Length == message.Length);
        var result = _parser.Result;
        var key = (message.SocketCookie, message.ServerAddress, result.Id, result.Type);
        if (message.Direction == (byte)NetworkDirection.Transmit)
        {
            if (reading == DnsReading.Question && result.Type is DnsParser.AddressType or DnsParser.Address6Type)
            {
                _questions.Add(key, new Question(result.Name, message.AtNs));
            }

            return;
        }

        if (reading == DnsReading.Malformed)
        {
            ledger.Count(DnsOutcome.Malformed);
            return;
        }

        if (reading == DnsReading.Question || result.Type is not (DnsParser.AddressType or DnsParser.Address6Type))
        {
            return;
        }

        if (!_questions.TryGet(key, out var question) || question.Name != result.Name
            || message.AtNs < question.AtNs || message.AtNs - question.AtNs > AnswerWithin.TotalNanoseconds)
        {
            ledger.Count(DnsOutcome.Unsolicited);
            return;
        }

        // The first answer is the one the asker takes; a batch of messages may show one twice.
        if (question.IsAnswered)
        {
            return;
        }

        question.IsAnswered = true;
        if (reading == DnsReading.Answer && result.Name.Length > 0)
        {
            var at = DateTimeOffset.UnixEpoch.AddTicks(clock.ToUnixNs(message.AtNs) / 100);
            names.Learn(scope, PrintableText.Of(result.Name, EdgeNaming.MaxNameLength), result.Addresses, result.TimeToLive, at);
        }

        ledger.Count(reading switch
        {
            DnsReading.Answer => DnsOutcome.Named,
            DnsReading.Truncated => DnsOutcome.Truncated,
            _ => DnsOutcome.Empty,
        });
    }

    private sealed class Question(string name, ulong atNs)
    {
        public string Name { get; } = name;

        public ulong AtNs { get; } = atNs;

        public bool IsAnswered { get; set; }
    }
}
