using Sockwatch.Enrichment.Dns;
using Xunit;

namespace Sockwatch.Tests.Enrichment.Dns;

public sealed class DnsParserTests
{
    private readonly DnsParser _parser = new();

    [Fact]
    public void Reads_a_question()
    {
        Assert.Equal(DnsReading.Question, Read(DnsBytes.Question(7, "www.Example.test")));
        Assert.Equal((7, "www.example.test", DnsBytes.A), (_parser.Result.Id, _parser.Result.Name, _parser.Result.Type));
    }

    [Fact]
    public void Reads_addresses_of_both_kinds()
    {
        Assert.Equal(DnsReading.Answer, Read(DnsBytes.Answer(7, "a.test", ["192.0.2.1", "192.0.2.2"], seconds: 60)));
        Assert.Equal(["192.0.2.1", "192.0.2.2"], Addresses());
        Assert.Equal(TimeSpan.FromSeconds(60), _parser.Result.TimeToLive);

        Assert.Equal(DnsReading.Answer, Read(DnsBytes.Answer(7, "a.test", ["2001:db8::1"], type: DnsBytes.Aaaa)));
        Assert.Equal(["2001:db8::1"], Addresses());
    }

    [Fact]
    public void Follows_aliases_in_whatever_order_and_case_and_keeps_the_asked_name()
    {
        var message = DnsBytes.Message(7, 0x8180, "www.shop.test", answers: 4)
            .Record("EDGE.cdn.test", DnsBytes.A, 20, [192, 0, 2, 9])
            .Record("shop.Hosting.test", DnsBytes.Alias, 600, new DnsBytes().Name("edge.cdn.test").ToArray())
            .Record("www.shop.test", DnsBytes.Alias, 3600, new DnsBytes().Name("shop.hosting.test").ToArray())
            .Record("other.test", DnsBytes.A, 3600, [192, 0, 2, 66])
            .ToArray();

        Assert.Equal(DnsReading.Answer, Read(message));
        Assert.Equal("www.shop.test", _parser.Result.Name);
        Assert.Equal(["192.0.2.9"], Addresses());
        Assert.Equal(TimeSpan.FromSeconds(20), _parser.Result.TimeToLive);
    }

    [Fact]
    public void Addresses_of_names_that_nobody_asked_for_are_left_out()
    {
        var message = DnsBytes.Message(7, 0x8180, "a.test", answers: 1).Record("bank.test", DnsBytes.A, 60, [192, 0, 2, 1]).ToArray();

        Assert.Equal(DnsReading.Empty, Read(message));
    }

    [Fact]
    public void Aliases_in_a_circle_lead_nowhere()
    {
        Assert.Equal(DnsReading.Empty, Read(DnsBytes.Answer(7, "a.test", [], ["a.test", "b.test", "b.test", "a.test"])));
    }

    [Fact]
    public void A_chain_that_is_too_long_leads_nowhere()
    {
        string[] chain = [.. Enumerable.Range(0, 40).SelectMany(i => new[] { $"n{i}.test", $"n{i + 1}.test" })];

        Assert.Equal(DnsReading.Empty, Read(DnsBytes.Answer(7, "n0.test", ["192.0.2.1"], chain)));
    }

    [Theory]
    [InlineData(0x8380)]
    public void A_truncated_answer_is_known_as_such(int flags) =>
        Assert.Equal(DnsReading.Truncated, Read(DnsBytes.Message(7, (ushort)flags, "a.test").ToArray()));

    [Theory]
    [InlineData(0x8183)] // no such name
    [InlineData(0x8182)] // the server failed
    [InlineData(0x8180)] // no such record
    public void An_answer_without_an_address_is_empty(int flags) =>
        Assert.Equal(DnsReading.Empty, Read(DnsBytes.Message(7, (ushort)flags, "a.test").ToArray()));

    [Fact]
    public void Compressed_names_are_followed_back()
    {
        var message = DnsBytes.Message(7, 0x8180, "www.example.test", answers: 2)
            .Pointer(12).RecordAfterName(DnsBytes.Alias, 60, new DnsBytes().Bytes(3).Bytes("cdn"u8.ToArray()).Pointer(16).ToArray())
            .Bytes(3).Bytes("CDN"u8.ToArray()).Pointer(16).RecordAfterName(DnsBytes.A, 60, [192, 0, 2, 1])
            .ToArray();

        Assert.Equal(DnsReading.Answer, Read(message));
        Assert.Equal(["192.0.2.1"], Addresses());
    }

    [Fact]
    public void Names_that_point_at_themselves_or_ahead_are_malformed()
    {
        foreach (var target in (int[])[24, 25, 30, 4000, 0x3fff])
        {
            var message = DnsBytes.Message(7, 0x8180, "a.test", answers: 1).Pointer(target).RecordAfterName(DnsBytes.A, 60, [192, 0, 2, 1]).ToArray();

            Assert.Equal(DnsReading.Malformed, Read(message));
        }

        // Two that point at each other.
        var circle = DnsBytes.Message(7, 0x8180, "a.test", answers: 1).Pointer(26).Pointer(24).RecordAfterName(DnsBytes.A, 60, [192, 0, 2, 1]).ToArray();
        Assert.Equal(DnsReading.Malformed, Read(circle));
    }

    [Fact]
    public void A_name_that_is_too_long_is_malformed()
    {
        var label = new string('a', 63);

        Assert.Equal(DnsReading.Malformed, Read(DnsBytes.Question(7, string.Join('.', label, label, label, label))));
        Assert.Equal(DnsReading.Question, Read(DnsBytes.Question(7, string.Join('.', label, label, label, label[..61]))));
    }

    [Fact]
    public void What_is_not_printable_in_a_name_is_escaped_as_in_a_zone_file()
    {
        Assert.Equal(DnsReading.Question, Read(DnsBytes.Message(7, 0x0100, "").ToArray()));
        Assert.Equal("", _parser.Result.Name);

        var message = new DnsBytes().Number(7).Number(0x0100).Number(1).Number(0).Number(0).Number(0)
            .Bytes(7, (byte)'a', (byte)'.', (byte)'\\', 10, 0xff, (byte)'"', (byte)'Z').Name("test").Number(1).Number(1).ToArray();
        Assert.Equal(DnsReading.Question, Read(message));
        Assert.Equal("""a\.\\\010\255"z.test""", _parser.Result.Name);
    }

    [Fact]
    public void A_message_that_was_cut_on_the_way_here_gives_what_is_there()
    {
        var message = DnsBytes.Answer(7, "a.test", ["192.0.2.1", "192.0.2.2"]);

        Assert.Equal(DnsReading.Malformed, Read(message[..^2]));
        Assert.Equal(DnsReading.Answer, _parser.Read(message.AsSpan()[..^2], isWhole: false));
        Assert.Equal(["192.0.2.1"], Addresses());
    }

    [Fact]
    public void A_thousand_addresses_are_cut()
    {
        var addresses = Enumerable.Range(0, 1000).Select(i => $"10.0.{i / 256}.{i % 256}").ToArray();

        Assert.Equal(DnsReading.Answer, Read(DnsBytes.Answer(7, "a.test", addresses)));
        Assert.Equal(DnsAnswer.MaxAddresses, _parser.Result.Addresses.Count);
    }

    [Fact]
    public void A_negative_time_to_live_is_none()
    {
        Assert.Equal(DnsReading.Answer, Read(DnsBytes.Answer(7, "a.test", ["192.0.2.1"], seconds: 0x80000001)));
        Assert.Equal(TimeSpan.Zero, _parser.Result.TimeToLive);
    }

    /// <summary>Right messages with bytes changed, cut, doubled and put together anew, and noise: always the same, from one seed.</summary>
    [Fact]
    public void Three_hundred_thousand_broken_messages_neither_fail_nor_take_long()
    {
        var random = new Random(20261125);
        byte[][] seeds =
        [
            DnsBytes.Question(1, "www.example.test"),
            DnsBytes.Answer(2, "www.example.test", ["192.0.2.1", "192.0.2.2"], ["www.example.test", "edge.cdn.test"]),
            DnsBytes.Answer(3, "a.b.c.d.e.f.test", ["2001:db8::1"], type: DnsBytes.Aaaa),
            DnsBytes.Message(4, 0x8180, "www.example.test", answers: 3).Pointer(12).RecordAfterName(DnsBytes.Alias, 60, new DnsBytes().Bytes(1, 97).Pointer(16).ToArray())
                .Bytes(1, 97).Pointer(16).RecordAfterName(DnsBytes.A, 60, [192, 0, 2, 1]).Pointer(12).RecordAfterName(16, 60, new byte[200]).ToArray(),
        ];
        var outcomes = new int[Enum.GetValues<DnsReading>().Length];
        var buffer = new byte[2048];

        for (var i = 0; i < 300_000; i++)
        {
            var seed = seeds[random.Next(seeds.Length)];
            var length = Math.Min(seed.Length, buffer.Length);
            seed.CopyTo(buffer.AsSpan());
            for (var changes = random.Next(6); changes > 0; changes--)
            {
                switch (random.Next(5))
                {
                    case 0:
                        buffer[random.Next(length)] = (byte)random.Next(256);
                        break;
                    case 1:
                        buffer[random.Next(length)] = (byte)(0xc0 | random.Next(64));
                        break;
                    case 2:
                        length = Math.Max(1, random.Next(length + 1));
                        break;
                    case 3:
                        var size = random.Next(Math.Min(length, buffer.Length - length));
                        buffer.AsSpan(random.Next(length - size), size).CopyTo(buffer.AsSpan(length));
                        length += size;
                        break;
                    default:
                        random.NextBytes(buffer.AsSpan(random.Next(length), random.Next(Math.Min(8, length))));
                        break;
                }
            }

            var reading = _parser.Read(buffer.AsSpan(0, length), isWhole: random.Next(4) > 0);
            outcomes[(int)reading]++;
            Assert.InRange(_parser.Result.Addresses.Count, 0, DnsAnswer.MaxAddresses);
            Assert.InRange(_parser.Result.Name.Length, 0, 1020);
            Assert.DoesNotContain(_parser.Result.Name, character => character is < '!' or > '~');
        }

        // Every way out was taken, or the messages were not what this is about.
        Assert.All(outcomes, count => Assert.True(count > 100, string.Join(' ', outcomes)));
    }

    private DnsReading Read(byte[] message) => _parser.Read(message, isWhole: true);

    private IEnumerable<string> Addresses() => _parser.Result.Addresses.Select(address => address.ToString());
}
