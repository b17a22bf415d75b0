using System.Collections.Immutable;
using Sockwatch.Aggregation;
using Sockwatch.Exporters.Trace;
using Sockwatch.Kernel;
using Sockwatch.Tests.Fakes;

namespace Sockwatch.Tests.Exporters.Trace;

public sealed class TraceFilterTests
{
    private const ushort Epoch = 7;

    [Fact]
    public void A_process_brings_all_that_descends_from_it()
    {
        var choice = new TraceChoice { Pids = [10] };

        Assert.True(Filter(choice).Accepts(FlowLogSamples.Tcp(RecordKind.FlowStart, pid: 10)));
        Assert.True(Filter(choice).Accepts(FlowLogSamples.Tcp(RecordKind.FlowStart, pid: 12)));
        Assert.False(Filter(choice).Accepts(FlowLogSamples.Tcp(RecordKind.FlowStart, pid: 20)));
        Assert.False(Filter(choice with { WithChildren = false }).Accepts(FlowLogSamples.Tcp(RecordKind.FlowStart, pid: 12)));
    }

    [Fact]
    public void A_connection_that_was_there_before_is_no_news()
    {
        var adopted = FlowLogSamples.Tcp(RecordKind.FlowStart) with { Attribution = FlowAttribution.Adopted };

        Assert.False(Filter(TraceChoice.Everything).Accepts(adopted));
        Assert.True(Filter(TraceChoice.Everything).Accepts(adopted with { Kind = RecordKind.FlowEnd }));
    }

    [Theory]
    [InlineData(0, true)] // the peer changed
    [InlineData(Epoch, false)] // this trace has seen it
    [InlineData(Epoch + 1, false)]
    [InlineData(Epoch - 1, true)] // only traces before it have
    [InlineData(65_000, true)] // a long time ago
    public void A_peer_that_is_shown_again_is_news_to_those_who_have_not_seen_it(int repeatedSince, bool isNews) =>
        Assert.Equal(isNews, Filter(TraceChoice.Everything).Accepts(FlowLogSamples.Udp(RecordKind.PeerChanged) with { RepeatedSince = (ushort)repeatedSince }));

    [Theory]
    [InlineData("10.0.0.0/8", true)]
    [InlineData("172.16.231.199", true)] // the local address
    [InlineData("172.16.231.198", false)]
    [InlineData("0.0.0.0/0", true)]
    [InlineData("::/0", false)] // IPv6, which this is not
    public void A_network_may_be_around_either_side(string network, bool isChosen) => Assert.Equal(
        isChosen, Filter(new TraceChoice { Networks = [network] }).Accepts(FlowLogSamples.Tcp(RecordKind.FlowStart, peer: "10.9.8.7")));

    [Fact]
    public void Containers_go_by_name_or_by_the_beginning_of_their_id_and_pods_by_namespace()
    {
        var pods = new PodNaming();

        Assert.True(Accepts(new TraceChoice { Containers = ["0123"] }));
        Assert.True(Accepts(new TraceChoice { Containers = ["server"] }));
        Assert.False(Accepts(new TraceChoice { Containers = ["serv"] }));
        Assert.True(Accepts(new TraceChoice { Namespaces = ["other", "shop"] }));
        Assert.False(Accepts(new TraceChoice { Namespaces = ["other"] }));
        Assert.False(Accepts(new TraceChoice { Namespaces = ["shop"], Containers = ["sidecar"] }));

        bool Accepts(TraceChoice choice) => Filter(choice, pods).Accepts(FlowLogSamples.Tcp(RecordKind.FlowStart));
    }

    [Fact]
    public void A_name_that_comes_late_is_asked_for_again_and_one_that_is_there_is_not()
    {
        var pods = new PodNaming { IsKnown = false };
        var filter = Filter(new TraceChoice { Namespaces = ["shop"] }, pods);
        var record = FlowLogSamples.Tcp(RecordKind.FlowStart);

        Assert.False(filter.Accepts(in record));
        pods.IsKnown = true;
        Assert.False(filter.Accepts(in record)); // within the second
        Assert.True(filter.Accepts(record with { AtNs = record.AtNs + 1_000_000_001 }));
        var asked = pods.Asked;
        Assert.True(filter.Accepts(in record));
        Assert.Equal(asked, pods.Asked);
    }

    [Fact]
    public void What_it_remembers_is_bounded()
    {
        var filter = Filter(new TraceChoice { Pids = [10] });

        for (uint pid = 100; pid < 20_000; pid++)
        {
            Assert.False(filter.Accepts(FlowLogSamples.Tcp(RecordKind.FlowStart, pid: pid)));
        }

        Assert.True(filter.Accepts(FlowLogSamples.Tcp(RecordKind.FlowStart, pid: 12)));
    }

    [Fact]
    public void A_choice_that_makes_no_sense_is_named()
    {
        Assert.Null(TraceChoice.Everything.WhyNot());
        Assert.Equal("\"10.0.0.0/33\" is no network", new TraceChoice { Networks = ["10.0.0.0/33"] }.WhyNot());
        Assert.Equal("\"listen\" is no operation", new TraceChoice { Operations = ["connect", "listen"] }.WhyNot());
        Assert.Equal("\"icmp\" is no protocol", new TraceChoice { Protocols = ["icmp"] }.WhyNot());
        Assert.Equal("101 pids; at most 100 can be told apart", new TraceChoice { Pids = [.. Enumerable.Range(1, 101).Select(pid => (uint)pid)] }.WhyNot());
    }

    private static TraceFilter Filter(TraceChoice choice, IFlowNaming? naming = null) =>
        new(choice, naming ?? new FakeNaming(), new FakeLineage((12, 11), (11, 10)), Epoch);

    private sealed class PodNaming : IFlowNaming
    {
        public bool IsKnown { get; set; } = true;

        public int Asked { get; private set; }

        public EdgeAttributes Name(in FlowRecord record) => EdgeAttributes.Overflow;

        public string? ExecutablePath(ulong id) => null;

        public string? ContainerId(ulong cgroupId) => "0123456789ab";

        public PodNames? Pod(ulong cgroupId)
        {
            Asked++;
            return IsKnown ? new PodNames("shop", "cart-1", "uid", "server", "node", ImmutableArray<KeyValuePair<string, string>>.Empty) : null;
        }
    }
}
