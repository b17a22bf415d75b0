using System.Diagnostics;
using System.Text;
using Sockwatch.Payload;
using Sockwatch.Payload.Protocols;
using Xunit;

namespace Sockwatch.Tests.Payload;

public class ProtocolRecogniserTests(ITestOutputHelper output)
{
    public static TheoryData<int> Samples => [.. Enumerable.Range(0, ProtocolSamples.All.Count)];

    [Theory]
    [MemberData(nameof(Samples))]
    public void Knows_what_real_programs_send_first(int sample)
    {
        var (name, version, fromClient, bytes) = ProtocolSamples.All[sample];

        var outcome = ProtocolRecogniser.Recognise(bytes, fromClient, out var found);

        Assert.Equal(Recognition.Recognised, outcome);
        Assert.Equal((name, version), (found!.Name, found.Version));
    }

    [Theory]
    [MemberData(nameof(Samples))]
    public void Waits_for_more_when_there_is_too_little_and_never_changes_its_mind(int sample)
    {
        var (name, _, fromClient, bytes) = ProtocolSamples.All[sample];
        for (var length = 0; length <= bytes.Length; length++)
        {
            var outcome = ProtocolRecogniser.Recognise(bytes.AsSpan(0, length), fromClient, out var found);

            Assert.True(outcome == Recognition.NeedsMore || found?.Name == name, $"{length} bytes of {name}: {outcome} {found?.Name}");
        }
    }

    [Fact]
    public void Tells_the_server_that_a_tls_client_asks_for()
    {
        ProtocolRecogniser.Recognise(ProtocolSamples.ClientHello, fromClient: true, out var found);

        Assert.Equal("www.example.org", found!.ServerName);
    }

    [Theory]
    [InlineData("hello, world\r\n")]
    [InlineData("GETTING nowhere")]
    [InlineData("GET nowhere\r\n\r\n")]
    [InlineData("\u0016\u0003\u0001\u0000\u0005\u0007aaaa")]
    [InlineData("*x\r\n$4\r\n")]
    [InlineData("SSH-3.0-none\r\n")]
    [InlineData("\0\0\0\u0020\0\u0003\0\u0001\0\0\0\u0001\0\u0003\u0001\u0002\u0003")]
    public void Says_nothing_of_what_it_does_not_know(string text)
    {
        ProtocolRecogniser.Recognise(Encoding.Latin1.GetBytes(text), fromClient: true, out var found);
        var outcome = ProtocolRecogniser.Recognise(Encoding.Latin1.GetBytes(text.PadRight(PayloadOptions.RecogniseReach, '.')), fromClient: true, out var later);

        Assert.Null(found);
        Assert.Null(later);
        Assert.Equal(Recognition.Unknown, outcome);
    }

    [Fact]
    public void A_server_name_that_is_none_is_left_out()
    {
        var hello = (byte[])ProtocolSamples.ClientHello.Clone();
        hello[hello.AsSpan().IndexOf("www"u8)] = (byte)'\n';

        ProtocolRecogniser.Recognise(hello, fromClient: true, out var found);

        Assert.Equal(("tls", ""), (found!.Name, found.ServerName));
    }

    [Fact]
    public void A_datagram_is_dns_or_nothing()
    {
        Assert.Equal("dns", ProtocolRecogniser.OfDatagram(ProtocolSamples.Question)?.Name);
        Assert.Null(ProtocolRecogniser.OfDatagram("GET / HTTP/1.1\r\n\r\n"u8));
        Assert.Null(ProtocolRecogniser.OfDatagram([]));
    }

    /// <summary>Real greetings, cut, lengthened and with other bytes in them; the same ones each time.</summary>
    [Fact]
    public void Survives_whatever_is_sent()
    {
        var random = new Random(20261123);
        var clock = Stopwatch.StartNew();
        var buffer = new byte[PayloadOptions.RecogniseReach];
        const int Rounds = 300_000;
        for (var i = 0; i < Rounds; i++)
        {
            var (_, _, fromClient, bytes) = ProtocolSamples.All[random.Next(ProtocolSamples.All.Count)];
            var length = Math.Min(buffer.Length, random.Next(4) == 0 ? random.Next(bytes.Length + 1) : bytes.Length + random.Next(20));
            random.NextBytes(buffer.AsSpan(0, length));
            bytes.AsSpan(0, Math.Min(length, bytes.Length)).CopyTo(buffer);
            for (var changes = random.Next(5); changes > 0 && length > 0; changes--)
            {
                buffer[random.Next(length)] = (byte)(random.Next(3) switch { 0 => 0, 1 => 255, _ => random.Next(256) });
            }

            ProtocolRecogniser.Recognise(buffer.AsSpan(0, length), fromClient ^ random.Next(8) == 0, out var found);
            Assert.True(found is null || found.ServerName.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '-' or '_'));
            ProtocolRecogniser.OfDatagram(buffer.AsSpan(0, length));
        }

        output.WriteLine($"{clock.Elapsed.TotalNanoseconds / Rounds:0} ns each");
    }
}
