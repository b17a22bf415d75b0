using Sockwatch.Diagnostics;
using Sockwatch.Enrichment;
using Sockwatch.Kernel;
using Sockwatch.Reader;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Enrichment.Dns;

public sealed class DnsNamingTests
{
    private const ulong Host = 1;
    private const ulong OtherOfHost = 2;
    private const ulong First = 3;
    private const ulong FirstsSidecar = 4;
    private const ulong Second = 5;
    private const string Id = "3f4e9d0c1b2a3f4e9d0c1b2a3f4e9d0c1b2a3f4e9d0c1b2a3f4e9d0c1b2a3f4e";
    private const string OtherId = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    private const string Pod = "/kubepods/burstable/pod0a1b2c3d-1111-2222-3333-444455556666";

    private readonly ManualTime _time = new();
    private readonly DnsLedger _ledger = new();
    private readonly CacheLedger _caches = new();
    private readonly Messages _messages = new();
    private readonly EnrichmentOptions _options = new();
    private readonly ClockOf _clock;

    private readonly FakeKernelTotals _kernel = new()
    {
        Executables = { [1] = "/usr/bin/curl" },
        Cgroups =
        {
            [Host] = "/user.slice/session-3.scope", [OtherOfHost] = "/system.slice/systemd-resolved.service", [First] = $"{Pod}/{Id}",
            [FirstsSidecar] = $"{Pod}/{OtherId}", [Second] = $"/docker/{OtherId}",
        },
    };

    public DnsNamingTests() => _clock = new ClockOf(_time);

    [Fact]
    public void A_peer_has_the_name_that_was_asked_for()
    {
        Ask("www.shop.test", DnsBytes.Answer(7, "www.shop.test", ["192.0.2.1"], ["www.shop.test", "edge.cdn.test"]));

        var names = Naming().Name(Some.Edge("192.0.2.1", cgroup: Host));

        Assert.Equal(("public", "", "Dns", "www.shop.test"), (names.PeerClass, names.PeerNamespace, names.PeerKind, names.PeerName));
        Assert.Equal(1, Count("named"));
    }

    [Fact]
    public void The_case_in_which_a_resolver_asks_does_not_matter()
    {
        _messages.Add(Message(NetworkDirection.Transmit, DnsBytes.Question(7, "wWw.ShOp.TeSt")));
        _messages.Add(Message(NetworkDirection.Receive, DnsBytes.Answer(7, "WwW.sHoP.tEsT", ["192.0.2.1"])));

        Assert.Equal("www.shop.test", PeerOf("192.0.2.1", Host));
    }

    [Fact]
    public void An_answer_that_nobody_asked_for_names_nobody()
    {
        var answer = DnsBytes.Answer(7, "bank.test", ["192.0.2.1"]);
        var question = DnsBytes.Question(7, "bank.test");
        _messages.Add(Message(NetworkDirection.Receive, answer));
        _messages.Add(Message(NetworkDirection.Transmit, question, socket: 2));
        _messages.Add(Message(NetworkDirection.Receive, answer, socket: 3)); // another socket
        _messages.Add(Message(NetworkDirection.Receive, DnsBytes.Answer(8, "bank.test", ["192.0.2.1"]), socket: 2)); // another number
        _messages.Add(Message(NetworkDirection.Receive, DnsBytes.Answer(7, "evil.test", ["192.0.2.1"]), socket: 2)); // another name
        _messages.Add(Message(NetworkDirection.Receive, DnsBytes.Answer(7, "bank.test", ["192.0.2.1"], type: DnsBytes.Aaaa), socket: 2)); // another type
        _messages.Add(Message(NetworkDirection.Receive, answer, socket: 2, server: "203.0.113.66")); // another server

        Assert.Equal("", PeerOf("192.0.2.1", Host));
        Assert.Equal(6, Count("unsolicited"));
    }

    [Fact]
    public void The_first_answer_counts()
    {
        Ask("a.test", DnsBytes.Answer(7, "a.test", ["192.0.2.1"]));
        _messages.Add(Message(NetworkDirection.Receive, DnsBytes.Answer(7, "a.test", ["192.0.2.2"])));

        Assert.Equal(("a.test", ""), (PeerOf("192.0.2.1", Host), PeerOf("192.0.2.2", Host)));
        Assert.Equal((1, 0), (Count("named"), Count("unsolicited")));
    }

    [Fact]
    public void A_hostile_name_is_printable_and_cut()
    {
        var name = string.Join('.', Enumerable.Repeat("a\"b\\c\n\e\0\u00ff" + new string('\u0001', 50), 4));
        Ask(name, DnsBytes.Answer(7, name, ["192.0.2.1"]));

        var peer = PeerOf("192.0.2.1", Host);

        Assert.StartsWith("a\"b\\\\c\\010\\027\\000\\255\\001", peer, StringComparison.Ordinal);
        Assert.InRange(peer.Length, 200, EdgeNaming.MaxNameLength + 1);
        Assert.Equal(peer, PrintableText.Of(peer, int.MaxValue));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(100)]
    [InlineData(5000)]
    public void By_tcp_a_message_may_come_in_parts_of_any_length(int length)
    {
        var answer = DnsBytes.Answer(7, "www.shop.test", [.. Enumerable.Range(1, 200).Select(i => $"192.0.2.{i}")]);
        Add(Parts(NetworkDirection.Transmit, DnsBytes.Question(7, "www.shop.test"), length));
        Add(Parts(NetworkDirection.Receive, answer, length));

        Assert.True(answer.Length > DnsText.Longest);
        Assert.Equal(("www.shop.test", "www.shop.test", ""), (PeerOf("192.0.2.1", Host), PeerOf("192.0.2.30", Host), PeerOf("192.0.2.200", Host)));
        Assert.Equal((1, 0), (Count("named"), Count("malformed")));
    }

    [Fact]
    public void A_message_of_which_a_part_is_missing_is_none_and_the_next_is_read()
    {
        var question = Message(NetworkDirection.Transmit, DnsBytes.Question(7, "a.test"));
        question.Transport = TransportProtocol.Tcp;
        _messages.Add(question);
        var parts = Parts(NetworkDirection.Receive, DnsBytes.Answer(7, "a.test", ["192.0.2.1"]), 10);

        Add(parts[1..]); // its beginning
        Add([parts[0], .. parts[2..]]); // one in the middle
        Add(parts[..^1]); // its end
        Assert.Equal(("", 0), (PeerOf("192.0.2.1", Host), Count("named") + Count("malformed") + Count("unsolicited")));

        Add(parts);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(("a.test", 1), (PeerOf("192.0.2.1", Host), Count("named")));
    }

    [Fact]
    public void Parts_that_contradict_each_other_break_nothing()
    {
        var random = new Random(3);
        for (var i = 0; i < 20_000; i++)
        {
            var text = new byte[random.Next(0, 200)];
            random.NextBytes(text);
            var part = Message((NetworkDirection)random.Next(2), text, socket: (ulong)random.Next(3));
            part.Transport = TransportProtocol.Tcp;
            part.Length = (ushort)(random.Next(4) == 0 ? random.Next(65_536) : random.Next(300));
            part.Offset = (ushort)(random.Next(3) == 0 ? random.Next(65_536) : 10 * random.Next(20));
            part.Captured = (ushort)(random.Next(10) == 0 ? random.Next(65_536) : text.Length);
            _messages.Add(part);
        }

        Naming().DrainDns();

        Assert.Equal(0, Count("named"));
    }

    [Fact]
    public void An_answer_after_half_a_minute_is_nobodys()
    {
        _messages.Add(Message(NetworkDirection.Transmit, DnsBytes.Question(7, "a.test")));
        _time.Advance(TimeSpan.FromSeconds(31));
        _messages.Add(Message(NetworkDirection.Receive, DnsBytes.Answer(7, "a.test", ["192.0.2.1"])));

        Assert.Equal("", PeerOf("192.0.2.1", Host));
    }

    [Fact]
    public void What_one_container_is_told_never_names_anothers_peers()
    {
        Ask("one.test", DnsBytes.Answer(7, "one.test", ["192.0.2.1"]), First);
        Ask("two.test", DnsBytes.Answer(7, "two.test", ["192.0.2.1"]), Second);

        Assert.Equal(("one.test", "two.test", ""), (PeerOf("192.0.2.1", First), PeerOf("192.0.2.1", Second), PeerOf("192.0.2.1", Host)));
    }

    [Fact]
    public void The_containers_of_a_pod_share_names_and_so_do_the_programs_of_the_host()
    {
        Ask("pod.test", DnsBytes.Answer(7, "pod.test", ["192.0.2.1"]), First);
        Ask("host.test", DnsBytes.Answer(7, "host.test", ["192.0.2.2"]), OtherOfHost);

        Assert.Equal(("pod.test", "host.test"), (PeerOf("192.0.2.1", FirstsSidecar), PeerOf("192.0.2.2", Host)));
    }

    [Fact]
    public void A_name_lasts_as_long_as_the_answer_says_within_bounds()
    {
        _options.KeepNames = TimeSpan.Zero; // or looking would count as use
        Ask("brief.test", DnsBytes.Answer(7, "brief.test", ["192.0.2.1"], seconds: 1));
        Ask("usual.test", DnsBytes.Answer(7, "usual.test", ["192.0.2.2"], seconds: 300));
        Ask("endless.test", DnsBytes.Answer(7, "endless.test", ["192.0.2.3"], seconds: 7_000_000));
        var naming = Naming();
        naming.DrainDns();

        Assert.Equal(["", "usual.test", "endless.test"], After(TimeSpan.FromMinutes(2)));
        Assert.Equal(["", "", "endless.test"], After(TimeSpan.FromMinutes(30)));
        Assert.Equal(["", "", ""], After(TimeSpan.FromMinutes(40)));

        IEnumerable<string> After(TimeSpan passed)
        {
            _time.Advance(passed);
            return [.. new[] { "192.0.2.1", "192.0.2.2", "192.0.2.3" }.Select(address => naming.Name(Record(address)).PeerName)];
        }
    }

    [Fact]
    public void A_name_in_use_stays()
    {
        Ask("upstream.test", DnsBytes.Answer(7, "upstream.test", ["192.0.2.1"], seconds: 30));
        var naming = Naming();

        for (var minutes = 0; minutes < 120; minutes += 10)
        {
            Assert.Equal("upstream.test", naming.Name(Some.Edge("192.0.2.1", cgroup: Host)).PeerName);
            _time.Advance(TimeSpan.FromMinutes(minutes == 0 ? 1 : 10));
        }

        _time.Advance(TimeSpan.FromMinutes(20));
        Assert.Equal("", naming.Name(Some.Edge("192.0.2.1", cgroup: Host)).PeerName);
    }

    [Fact]
    public void The_last_answer_wins_and_a_flow_keeps_the_name_it_began_under()
    {
        Ask("blue.test", DnsBytes.Answer(7, "blue.test", ["192.0.2.1"]));
        var naming = Naming();
        var before = Record("192.0.2.1");
        _time.Advance(TimeSpan.FromSeconds(1));
        Ask("green.test", DnsBytes.Answer(7, "green.test", ["192.0.2.1"]));
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal("green.test", naming.Name(Record("192.0.2.1")).PeerName);
        Assert.Equal("blue.test", naming.Name(before).PeerName);
        Assert.Equal("green.test", naming.Name(Some.Edge("192.0.2.1", cgroup: Host)).PeerName);
    }

    [Fact]
    public void A_configured_network_and_the_cluster_come_before_dns()
    {
        Ask("a.test", DnsBytes.Answer(7, "a.test", ["192.0.2.1"]));

        Assert.Equal("office", Naming(networks: new() { ["office"] = ["192.0.2.0/24"] }).Name(Some.Edge("192.0.2.1", cgroup: Host)).PeerName);
    }

    [Fact]
    public void Loopback_is_never_named_by_dns()
    {
        Ask("ads.test", DnsBytes.Answer(7, "ads.test", ["127.0.0.1"]));

        Assert.Equal("", PeerOf("127.0.0.1", Host));
    }

    [Fact]
    public void Truncated_malformed_and_empty_answers_are_counted()
    {
        Ask("a.test", DnsBytes.Message(7, 0x8380, "a.test").ToArray());
        Ask("b.test", DnsBytes.Answer(7, "b.test", ["192.0.2.1"])[..^1]);
        Ask("c.test", DnsBytes.Message(7, 0x8183, "c.test").ToArray());
        Naming().DrainDns();

        Assert.Equal((1, 1, 1), (Count("truncated"), Count("malformed"), Count("empty")));
    }

    [Fact]
    public void Answers_past_the_limit_push_out_the_oldest_and_are_counted()
    {
        _options.MaxDnsNames = 100;
        var naming = Naming();
        for (var i = 0; i < 1000; i++)
        {
            Ask($"n{i}.test", DnsBytes.Answer(7, $"n{i}.test", [$"10.0.{i / 256}.{i % 256}"]));
        }

        naming.DrainDns();

        Assert.Equal("n999.test", naming.Name(Some.Edge("10.0.3.231", cgroup: Host)).PeerName);
        Assert.Equal("", naming.Name(Some.Edge("10.0.0.1", cgroup: Host)).PeerName);
        Assert.InRange(Evictions("dns_names"), 880, 1000);
    }

    [Fact]
    public void Questions_past_the_limit_push_out_the_oldest_and_are_counted()
    {
        for (var i = 0; i < 5000; i++)
        {
            _messages.Add(Message(NetworkDirection.Transmit, DnsBytes.Question((ushort)i, "flood.test")));
        }

        Naming().DrainDns();

        Assert.InRange(Evictions("dns_questions"), 3900, 5000);
    }

    private void Ask(string name, byte[] answer, ulong cgroup = Host)
    {
        _messages.Add(Message(NetworkDirection.Transmit, DnsBytes.Question(7, name), cgroup: cgroup));
        _messages.Add(Message(NetworkDirection.Receive, answer, cgroup: cgroup));
    }

    private string PeerOf(string address, ulong cgroup) => (_naming ??= Naming()).Name(Some.Edge(address, cgroup: cgroup)).PeerName;

    private EdgeNaming? _naming;

    private EdgeNaming Naming(Dictionary<string, List<string>>? networks = null) => Some.EdgeNaming(
        _kernel, _time, networks, dns: _messages, dnsLedger: _ledger, caches: _caches, clock: _clock, options: _options);

    private long Count(string outcome) => _ledger.Read()[DnsLedger.Outcomes.IndexOf(outcome)];

    private long Evictions(string cache) => _caches.Read().Single(one => one.Cache == cache).Evictions;

    private FlowRecord Record(string address) => new() { AtNs = Now(), StartedAtNs = Now(), Edge = Some.Edge(address, cgroup: Host) };

    private ulong Now() => (ulong)(_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100;

    private DnsMessage Message(NetworkDirection direction, byte[] text, ulong socket = 1, ulong cgroup = Host, string server = "203.0.113.53")
    {
        var message = new DnsMessage
        {
            AtNs = Now(),
            SocketCookie = socket,
            CgroupId = cgroup,
            ServerAddress = Address16.Parse(server),
            ServerPort = 53,
            Length = (ushort)text.Length,
            Captured = (ushort)Math.Min(text.Length, DnsText.Longest),
            Direction = (byte)direction,
        };
        text.AsSpan(0, message.Captured).CopyTo(message.Text);
        return message;
    }

    private DnsMessage[] Parts(NetworkDirection direction, byte[] text, int atATime)
    {
        var parts = new List<DnsMessage>();
        var carried = text.AsSpan(0, Math.Min(text.Length, DnsText.Longest));
        for (var offset = 0; offset < carried.Length; offset += atATime)
        {
            var part = Message(direction, carried[offset..Math.Min(offset + atATime, carried.Length)].ToArray());
            part.Transport = TransportProtocol.Tcp;
            part.Offset = (ushort)offset;
            part.Length = (ushort)text.Length;
            parts.Add(part);
        }

        return [.. parts];
    }

    private void Add(IEnumerable<DnsMessage> parts)
    {
        foreach (var part in parts)
        {
            _messages.Add(part);
        }
    }

    private sealed class Messages : IDnsMessages
    {
        private readonly Queue<DnsMessage> _waiting = new();

        public void Add(in DnsMessage message) => _waiting.Enqueue(message);

        public void Drain(IDnsMessageSink sink)
        {
            while (_waiting.TryDequeue(out var message))
            {
                sink.OnMessage(message);
            }
        }
    }

    /// <summary>The machine was started in 1970.</summary>
    private sealed class ClockOf(ManualTime time) : BootClock
    {
        public override long ToUnixNs(ulong bootNs) => time is null ? 0 : (long)bootNs;
    }
}
