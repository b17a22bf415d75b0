using System.Buffers;
using System.Text;
using Sockwatch.Exporters;
using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Exporters;

public class TraceLineTests
{
    private const string Time = "2026-11-23T10:15:02.123456Z";
    private const string Tcp = "pid 15455 uid 500 filename /usr/bin/curl local_addr 172.16.231.199:32965 remote_addr 93.184.216.34:443 proto 6 sock_id 72398988640259";

    [Fact]
    public void Prints_a_connect() =>
        Assert.Equal($"{Time} CONNECT {Tcp}\n", Line(FlowLogSamples.Tcp(RecordKind.FlowStart)));

    [Fact]
    public void Prints_an_accept() =>
        Assert.Equal($"{Time} ACCEPT {Tcp}\n", Line(FlowLogSamples.Tcp(RecordKind.FlowStart, NetworkRole.Server, SocketOperation.Accept)));

    [Fact]
    public void Prints_a_release() =>
        Assert.Equal($"{Time} RELEASE {Tcp}\n", Line(FlowLogSamples.Tcp(RecordKind.FlowEnd, operation: SocketOperation.Release)));

    [Fact]
    public void A_failed_connect_says_why() =>
        Assert.Equal($"{Time} CONNECT {Tcp} error connection_refused\n", Line(FlowLogSamples.Tcp(RecordKind.FlowFailed, error: 111)));

    [Theory]
    [InlineData(nameof(NetworkDirection.Transmit), "SEND")]
    [InlineData(nameof(NetworkDirection.Receive), "RECV")]
    public void Prints_what_was_sent_or_received(string direction, string word)
    {
        var payload = new QueuedPayload(4096, Enum.Parse<NetworkDirection>(direction), [.. "GET / HTTP/1.0\r\n]\0"u8, 0xe9, 0x7f]);
        var lines = new ArrayBufferWriter<byte>();

        new TraceLine(new FakeNaming(), FlowLogSamples.Clock()).TryWrite(FlowLogSamples.Tcp(RecordKind.Payload), payload, lines);

        Assert.Equal($"{Time} {word} {Tcp} payload [GET / HTTP/1.0..]...] payload_seqnum 4096\n", Encoding.UTF8.GetString(lines.WrittenSpan));
    }

    [Fact]
    public void A_detection_says_what_the_list_says() =>
        Assert.Equal(
            $"{Time} DETECT {Tcp} remote_classification 7 detection_name Bad\\040Example\n", Line(FlowLogSamples.Tcp(RecordKind.FlowDetect)));

    [Fact]
    public void Prints_ipv6_in_brackets() =>
        Assert.Contains(
            " local_addr [2001:db8::1]:32965 remote_addr [2001:db8::2]:443 ",
            Line(FlowLogSamples.Tcp(RecordKind.FlowStart, peer: "2001:db8::2", local: "2001:db8::1")),
            StringComparison.Ordinal);

    [Theory]
    [InlineData(nameof(SocketOperation.Send), "SEND")]
    [InlineData(nameof(SocketOperation.Recv), "RECV")]
    public void Prints_the_change_of_a_udp_peer(string operation, string word) =>
        Assert.Equal(
            $"{Time} {word} pid 77 uid 0 filename /usr/bin/curl local_addr 0.0.0.0:5353 remote_addr 192.0.2.53:53 proto 17 sock_id 42\n",
            Line(FlowLogSamples.Udp(RecordKind.PeerChanged, Enum.Parse<SocketOperation>(operation))));

    [Fact]
    public void A_udp_socket_is_released_once_and_from_nobody()
    {
        Assert.Equal(
            $"{Time} RELEASE pid 77 uid 0 filename /usr/bin/curl local_addr 0.0.0.0:5353 proto 17 sock_id 42\n",
            Line(FlowLogSamples.Udp(RecordKind.FlowEnd, SocketOperation.Release)));
        Assert.Equal("", Line(FlowLogSamples.Udp(RecordKind.FlowEnd, SocketOperation.Send)));
    }

    [Fact]
    public void Prints_neither_updates_nor_the_start_of_udp()
    {
        Assert.Equal("", Line(FlowLogSamples.Tcp(RecordKind.FlowUpdate)));
        Assert.Equal("", Line(FlowLogSamples.Udp(RecordKind.FlowStart)));
    }

    [Fact]
    public void Leaves_out_what_is_unknown() =>
        Assert.Equal(
            $"{Time} CONNECT proto 6 sock_id 7\n",
            FlowLogSamples.Line(
                new TraceLine(new FakeNaming { Path = null }, FlowLogSamples.Clock()),
                new FlowRecord { AtNs = FlowLogSamples.At, SocketCookie = 7, Kind = RecordKind.FlowStart, Edge = new EdgeKey { Transport = TransportProtocol.Tcp } }));

    [Fact]
    public void A_hostile_file_name_cannot_pose_as_other_fields()
    {
        var format = new TraceLine(new FakeNaming { Path = "/tmp/a b\n\\\e[31m\u202e" }, FlowLogSamples.Clock());

        Assert.Contains(" filename /tmp/a\\040b\\012\\134\\033[31m\uFFFD local_addr ", FlowLogSamples.Line(format, FlowLogSamples.Tcp(RecordKind.FlowStart)), StringComparison.Ordinal);
    }

    private static string Line(in FlowRecord record) => FlowLogSamples.Line(new TraceLine(new FakeNaming(), FlowLogSamples.Clock()), in record);
}
