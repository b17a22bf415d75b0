using System.Text;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;
using Sockwatch.Payload;
using Sockwatch.Payload.Protocols;
using Sockwatch.Reader;
using Sockwatch.Tests.Exporters;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Payload;

public class PayloadCaptureTests
{
    private readonly List<PayloadOwner> _strangers = [];
    private readonly List<string> _recognised = [];
    private readonly List<(ulong Sequence, string Text)> _shown = [];
    private readonly LossLedger _losses = new();

    private FlowPayloads? _flows;

    [Fact]
    public void Hands_on_what_the_list_allows_up_to_the_limit()
    {
        var capture = Capture(new PayloadOptions { Direction = PayloadDirection.Client, Limit = 10, Processes = ["curl"] });

        Send(capture, 0, "GET / H");
        Send(capture, 7, "TTP/1.1\r\n");
        Send(capture, 16, "more");

        Assert.Equal([(0, "GET / H"), (7, "TTP")], _shown);
        Assert.Equal("GET / HTTP", Ended().Sent);
    }

    [Theory]
    [InlineData("wget", "", "")]
    [InlineData("curl", "80", "")]
    [InlineData("curl", "", "shop")]
    [InlineData("", "", "")]
    public void Hands_on_nothing_of_others(string process, string port, string space)
    {
        var capture = Capture(new PayloadOptions
        {
            Direction = PayloadDirection.Both,
            Processes = process.Length > 0 ? [process] : [],
            Ports = port.Length > 0 ? [int.Parse(port)] : [],
            Namespaces = space.Length > 0 ? [space] : [],
        });

        Send(capture, 0, "secret");

        Assert.Empty(_shown);
        Assert.Equal(default, Ended());
    }

    [Fact]
    public void The_kernel_is_told_of_strangers_only_when_it_is_sure()
    {
        Send(Capture(new PayloadOptions { Direction = PayloadDirection.Client, Processes = ["wget"] }), 0, "secret");
        Assert.Equal([new PayloadOwner(9, 5)], _strangers);

        // Another port of the same process may be on the list; a namespace may not be known yet.
        Send(Capture(new PayloadOptions { Direction = PayloadDirection.Client, Ports = [80] }), 0, "secret");
        Send(Capture(new PayloadOptions { Direction = PayloadDirection.Client, Namespaces = ["shop"] }), 0, "secret");
        Send(Capture(new PayloadOptions { Direction = PayloadDirection.Client, All = true }), 0, "open");
        Assert.Single(_strangers);
    }

    [Theory]
    [InlineData(nameof(PayloadDirection.Client), "client sent")]
    [InlineData(nameof(PayloadDirection.Send), "client sent, server sent")]
    [InlineData(nameof(PayloadDirection.Both), "client sent, client received, server sent, server received")]
    public void Captures_the_directions_asked_for(string direction, string expected)
    {
        var capture = Capture(new PayloadOptions { Direction = Enum.Parse<PayloadDirection>(direction), All = true });
        foreach (var role in (NetworkRole[])[NetworkRole.Client, NetworkRole.Server])
        {
            foreach (var (way, word) in (ReadOnlySpan<(NetworkDirection, string)>)[(NetworkDirection.Transmit, "sent"), (NetworkDirection.Receive, "received")])
            {
                capture.OnPayload(
                    FlowLogSamples.Tcp(RecordKind.Payload, role), new PayloadPiece(0, way, false, Encoding.ASCII.GetBytes($"{role} {word}".ToLowerInvariant())));
            }
        }

        Assert.Equal(expected, string.Join(", ", _shown.Select(shown => shown.Text)));
    }

    [Fact]
    public void Redacts_across_the_pieces_of_a_call()
    {
        var capture = Capture(new PayloadOptions { Direction = PayloadDirection.Client, All = true, Redact = ["password=\\w+"] });

        Send(capture, 0, "user=a&pass", more: true);
        Assert.Empty(_shown);
        Send(capture, 11, "word=secret&x=1");

        Assert.Equal([(0, "user=a&****"), (11, "***********&x=1")], _shown);
        Assert.Equal("user=a&***************&x=1", Ended().Sent);
    }

    [Fact]
    public void Redacts_what_began_in_an_earlier_call()
    {
        var capture = Capture(new PayloadOptions { Direction = PayloadDirection.Client, All = true, Redact = ["password=\\w+"] });

        Send(capture, 0, "password=");
        Send(capture, 9, "secret");

        // The flow's own record is written when all of it is there.
        Assert.Equal([(0, "password="), (9, "******")], _shown);
        Assert.Equal("***************", Ended().Sent);
    }

    [Fact]
    public void What_is_held_back_is_handed_on_when_its_flow_ends()
    {
        var capture = Capture(new PayloadOptions { Direction = PayloadDirection.Client, All = true, Redact = ["x"] });

        Send(capture, 0, "axb", more: true);
        capture.OnRecord(FlowLogSamples.Tcp(RecordKind.FlowEnd));

        Assert.Equal([(0, "a*b")], _shown);
    }

    [Fact]
    public void Recognises_protocols_and_keeps_nothing_else()
    {
        var capture = Capture(new PayloadOptions { RecogniseProtocols = true });

        Send(capture, 0, "GET / HT");
        Send(capture, 8, "TP/1.1\r\n\r\n");

        Assert.Equal(["http"], _recognised);
        Assert.Empty(_shown);
        Assert.Equal(new FlowPayload(null, null, new RecognisedProtocol("http", "1.1")), Ended());
    }

    [Fact]
    public void A_server_name_is_redacted_like_any_byte()
    {
        var capture = Capture(new PayloadOptions { RecogniseProtocols = true, Redact = ["www"] });

        capture.OnPayload(FlowLogSamples.Tcp(RecordKind.Payload), new PayloadPiece(0, NetworkDirection.Transmit, false, ProtocolSamples.ClientHello));

        Assert.Equal("***.example.org", Ended().Protocol!.ServerName);
    }

    [Fact]
    public void An_update_says_only_what_is_new()
    {
        var capture = Capture(new PayloadOptions { Direction = PayloadDirection.Client, All = true });
        Send(capture, 0, "hello");

        Assert.Equal("hello", _flows!.Of(FlowLogSamples.Tcp(RecordKind.FlowUpdate)).Sent);
        Assert.Null(_flows.Of(FlowLogSamples.Tcp(RecordKind.FlowUpdate, reportedBytesSent: 5)).Sent);
        Assert.Equal("hello", Ended().Sent);
    }

    [Fact]
    public void Can_say_it_exactly()
    {
        var capture = Capture(new PayloadOptions { Direction = PayloadDirection.Client, All = true, Encoding = PayloadEncoding.Base64 });

        capture.OnPayload(FlowLogSamples.Tcp(RecordKind.Payload), new PayloadPiece(0, NetworkDirection.Transmit, false, [0, 255, 10]));

        Assert.Equal("AP8K", Ended().Sent);
    }

    [Fact]
    public void Memory_is_bounded_and_what_goes_over_it_is_counted()
    {
        var options = new PayloadOptions { Direction = PayloadDirection.Client, All = true, MemoryBytes = 100_000, Limit = 10_000 };
        var capture = Capture(options);
        for (var i = 0UL; i < 100; i++)
        {
            capture.OnPayload(
                FlowLogSamples.Plain(cookie: i) with { Kind = RecordKind.Payload }, new PayloadPiece(0, NetworkDirection.Transmit, false, new byte[4000]));
        }

        Assert.InRange(_flows!.Size, 50_000, 100_000);
        var lost = _losses.Read().Single(loss => loss is { Stage: LossLedger.PayloadStage, Reason: LossLedger.MemoryFull });
        Assert.InRange(lost.Count, 70, 90);
        Assert.NotNull(_flows.Of(FlowLogSamples.Plain(cookie: 99)).Sent);
        Assert.Null(_flows.Of(FlowLogSamples.Plain(cookie: 0)).Sent);
    }

    private PayloadCapture Capture(PayloadOptions options)
    {
        var list = new PayloadList(options, new FakeNaming());
        var redaction = new Redaction(options.Redact);
        _flows = new FlowPayloads(options, list, redaction, _losses, new ManualTime());
        return new PayloadCapture(
            options, _flows, list, redaction, _strangers.Add, (_, protocol) => _recognised.Add(protocol.Name), new Sink(_shown));
    }

    private static void Send(PayloadCapture capture, ulong sequence, string text, bool more = false) => capture.OnPayload(
        FlowLogSamples.Tcp(RecordKind.Payload), new PayloadPiece(sequence, NetworkDirection.Transmit, more, Encoding.ASCII.GetBytes(text)));

    private FlowPayload Ended() => _flows!.Of(FlowLogSamples.Tcp(RecordKind.FlowEnd));

    private sealed class Sink(List<(ulong Sequence, string Text)> shown) : IFlowRecordSink
    {
        public void OnRecord(in FlowRecord record)
        {
        }

        public void OnPayload(in FlowRecord record, PayloadPiece piece) => shown.Add((piece.Sequence, Encoding.ASCII.GetString(piece.Bytes)));
    }
}
