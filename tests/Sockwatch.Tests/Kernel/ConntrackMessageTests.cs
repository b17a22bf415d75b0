using System.Runtime.InteropServices;
using Sockwatch.Kernel;

namespace Sockwatch.Tests.Kernel;

public class ConntrackMessageTests
{
    private static readonly Conversation Four = new(TransportProtocol.Tcp, Address16.Parse("10.77.0.7"), 40001, Address16.Parse("10.96.0.10"), 80);

    // What Linux 6.18 answered: a header, and the two tuples of the conversation.
    private const string Answer =
        "5c000000000100000700000000000000" + "02000000"
        + "34000180" + "14000180" + "080001000a4d0007" + "080002000a60000a" + "1c000280" + "0500010006000000" + "060002009c410000" + "0600030000500000"
        + "34000280" + "14000180" + "080001000a4e0002" + "080002000a4d0007" + "1c000280" + "0500010006000000" + "0600020023280000" + "060003009c410000";

    [Theory]
    [InlineData("10.77.0.7", "10.96.0.10", TransportProtocol.Tcp, 0x48)]
    [InlineData("fd00:77::7", "fd00:96::10", TransportProtocol.Udp, 0x60)]
    public void A_question_holds_the_tuple_of_who_began(string local, string peer, byte transport, int length)
    {
        var question = new byte[ConntrackMessage.MaxQuestion];

        var written = ConntrackMessage.Write(new Conversation(transport, Address16.Parse(local), 40001, Address16.Parse(peer), 80), 7, question);

        Assert.Equal(length, written);
        Assert.Equal((uint)length, MemoryMarshal.Read<uint>(question));
        Assert.Equal(0x0101, MemoryMarshal.Read<ushort>(question.AsSpan(4)));
        Assert.Equal(7U, MemoryMarshal.Read<uint>(question.AsSpan(8)));
        Assert.Equal(peer.Contains(':') ? 10 : 2, question[16]);
        var text = Convert.ToHexStringLower(question.AsSpan(0, written));
        Assert.Contains(Convert.ToHexStringLower(Address16.Parse(local).ToIPAddress().GetAddressBytes()), text);
        Assert.EndsWith($"05000100{transport:x2}000000" + "060002009c410000" + "0600030000500000", text);
    }

    [Fact]
    public void An_answer_says_who_replies()
    {
        var isAnswer = ConntrackMessage.TryRead(Answered(), 7, out var error, out var replier);

        Assert.True(isAnswer);
        Assert.Equal(0, error);
        Assert.Equal(new Endpoint(Address16.Parse("10.78.0.2"), 9000), replier);
    }

    [Fact]
    public void A_refusal_says_why()
    {
        var message = Convert.FromHexString("24000000020000000700000000000000" + "feffffff" + "48000000010101000700000000000000");

        Assert.True(ConntrackMessage.TryRead(message, 7, out var error, out var replier));
        Assert.Equal(2, error);
        Assert.Null(replier);
    }

    [Fact]
    public void Answers_to_others_are_none_of_ours() => Assert.False(ConntrackMessage.TryRead(Answered(), 8, out _, out _));

    [Fact]
    public void Whatever_is_cut_or_changed_is_read_to_its_end_and_no_further()
    {
        var random = new Random(1);
        for (var i = 0; i < 20_000; i++)
        {
            var message = Answered().AsSpan(0, random.Next(Answered().Length + 1)).ToArray();
            for (var changes = random.Next(4); changes > 0 && message.Length > 0; changes--)
            {
                message[random.Next(message.Length)] = (byte)random.Next(256);
            }

            _ = ConntrackMessage.TryRead(message, 7, out _, out _);
        }
    }

    [Fact]
    public void A_question_and_its_own_tuple_fit()
    {
        var question = new byte[ConntrackMessage.MaxQuestion];
        var length = ConntrackMessage.Write(Four, 1, question);

        Assert.StartsWith("34000180" + "14000180" + "080001000a4d0007", Convert.ToHexStringLower(question.AsSpan(20, length - 20)));
    }

    private static byte[] Answered()
    {
        var message = Convert.FromHexString(Answer);
        MemoryMarshal.Write(message, (uint)message.Length);
        return message;
    }
}
