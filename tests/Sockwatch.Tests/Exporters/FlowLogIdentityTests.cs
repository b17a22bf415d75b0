using System.Text;
using Sockwatch.Exporters;
using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Exporters;

public sealed class FlowLogIdentityTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("sockwatch-identity-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void Every_record_of_a_flow_has_the_same_id() =>
        Assert.Equal(
            Id("boot", FlowLogSamples.Tcp(RecordKind.FlowStart)),
            Id("boot", FlowLogSamples.Tcp(RecordKind.FlowEnd, bytesSent: 9, endReason: FlowEndReason.PeerClose)));

    [Fact]
    public void Another_peer_is_another_flow_on_the_same_node()
    {
        var one = Id("boot", FlowLogSamples.Udp(RecordKind.FlowStart));
        var other = Id("boot", FlowLogSamples.Udp(RecordKind.FlowStart, peer: "192.0.2.54"));

        Assert.Equal(one[..16], other[..16]);
        Assert.NotEqual(one[16..], other[16..]);
    }

    [Fact]
    public void A_socket_that_connects_again_is_another_flow() =>
        Assert.NotEqual(
            Id("boot", FlowLogSamples.Tcp(RecordKind.FlowStart, startedAtNs: 1)),
            Id("boot", FlowLogSamples.Tcp(RecordKind.FlowStart, startedAtNs: 2)));

    [Fact]
    public void Another_boot_has_other_ids() =>
        Assert.NotEqual(Id("boot", FlowLogSamples.Tcp(RecordKind.FlowStart)), Id("next", FlowLogSamples.Tcp(RecordKind.FlowStart)));

    /// <summary>A listed peer that does not answer is told of before the connection is there.</summary>
    [Fact]
    public void A_record_of_the_attempt_is_of_the_same_flow_as_those_after_its_success()
    {
        var attempt = new FlowRecord { Kind = RecordKind.FlowDetect, SocketCookie = 7, AtNs = 500, StartedAtNs = 100 };
        var start = new FlowRecord { Kind = RecordKind.FlowStart, SocketCookie = 7, AtNs = 900, StartedAtNs = 900, ConnectDurationNs = 800 };

        Assert.Equal(FlowLogIdentity.Flow(start), FlowLogIdentity.Flow(attempt));
    }

    private string Id(string boot, in FlowRecord record)
    {
        Directory.CreateDirectory(Path.Combine(_root, "sys/kernel/random"));
        File.WriteAllText(Path.Combine(_root, "sys/kernel/random/boot_id"), boot);
        var id = new byte[FlowLogIdentity.Length];
        new FlowLogIdentity(new HostPaths { ProcRoot = _root, EtcRoot = _root }).Format(in record, id);
        var text = Encoding.ASCII.GetString(id);
        Assert.Matches("^[0-9a-f]{32}$", text);
        return text;
    }
}
