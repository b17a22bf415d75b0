using System.Net;
using System.Net.Sockets;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.Verdicts;

/// <summary>Contacts with listed addresses, by real sockets: each is told of once, whatever came of it.</summary>
public class DetectionTests(ITestOutputHelper output)
{
    private const string List = """
        127.9.0.0/16 detect 7 Outer
        127.9.1.0/24 allow
        127.9.1.128/25 detect 8 Inner name   # the longest prefix counts
        ::1 detect 9 Six
        """;

    private static readonly int s_self = Environment.ProcessId;

    [Fact]
    public async Task Tells_once_of_each_socket_or_conversation_with_a_listed_peer()
    {
        Requires.Bpf();
        await using var listed = await ListedAgent.StartAsync(ListedAgent.WriteList(List));
        var expected = new List<(string Name, string Role, string Transport, string Type, string Peer, int Port, string Error)>();

        foreach (var (peer, name, type, dual) in ((string, string, string, bool)[])
        [
            ("127.9.2.3", "Outer", "ipv4", false), ("127.9.1.200", "Inner name", "ipv4", false), ("127.9.1.3", "", "ipv4", false), ("127.8.0.1", "", "ipv4", false),
            ("127.9.2.4", "Outer", "ipv4", true), ("127.9.1.4", "", "ipv4", true), ("::1", "Six", "ipv6", false),
        ])
        {
            var target = IPAddress.Parse(peer);
            Expect(name, "client", "tcp", type, peer, Connect(target, dual), "");
            Expect(name, "client", "tcp", type, peer, Refused(target, dual), "connection_refused");
            var (acceptedFrom, acceptedAt) = Accept(target, dual);
            Expect(name, "server", "tcp", type, peer, acceptedFrom, "");
            Expect(name, "client", "udp", type, peer, SendThrice(target, dual), "");
            var (receivedFrom, receivedAt) = ReceiveThrice(target, dual);
            Expect(name, "server", "udp", type, peer, receivedFrom, "");
            if (type == "ipv6")
            {
                // There is one such address: both ends have it.
                Expect(name, "client", "tcp", type, peer, acceptedAt, "");
                Expect(name, "client", "udp", type, peer, receivedAt, "");
            }
        }

        await listed.DetectionsUntilAsync(records => Mine(records).Count >= expected.Count);
        var page = await listed.Agent.ScrapeUntilAsync(page => Counted(page) >= expected.Count, TimeSpan.FromSeconds(8));

        var told = Mine(listed.Detections).Select(one => (one.Name, one.Role, one.Transport, one.Type, one.Peer, one.PeerPort, one.Error)).ToList();
        output.WriteLine($"{told.Count} detections told, {Counted(page)} counted, {expected.Count} contacts with listed addresses");
        Assert.Equal(expected.Order(), told.Order());
        Assert.Equal(expected.Count, Counted(page));
        Assert.All(Mine(listed.Detections), record => Assert.Equal("listed", record.PeerClass));
        Assert.All(Mine(listed.Detections), record => Assert.NotEqual(0, record.LocalPort));
        Assert.Equal(
            expected.GroupBy(one => one.Name).Select(one => (one.Key, (double)one.Count())).Order(),
            page.Of("sockwatch_detections_total").Where(IsMine).GroupBy(one => one["detection_name"]).Select(one => (one.Key, one.Sum(sample => sample.Value))).Order());
        Assert.Equal("", page.Losses);
        Assert.All(page.Of("sockwatch_detections_total").Where(IsMine), sample => Assert.Equal("listed", sample["peer_class"]));

        // The records of a flow have one id, a detection's among them.
        var starts = listed.Agent.Output.Where(line => line.Contains("\"flow.start\"") || line.Contains("\"flow.failed\"")).ToList();
        Assert.All(Mine(listed.Detections), record => Assert.Contains(starts, line => line.Contains(record.FlowId)));

        void Expect(string name, string role, string transport, string type, string peer, int port, string error)
        {
            if (name.Length > 0)
            {
                expected.Add((name, role, transport, type, peer, port, error));
            }
        }

        static double Counted(MetricPage page) => page.Of("sockwatch_detections_total").Where(IsMine).Sum(sample => sample.Value);
        static bool IsMine(Sample sample) => sample["process_executable_name"] == Path.GetFileName(Environment.ProcessPath);
    }

    [Fact]
    public async Task A_peer_that_does_not_answer_is_told_of_all_the_same()
    {
        Requires.Bpf();
        await using var listed = await ListedAgent.StartAsync(ListedAgent.WriteList(List));

        // A full queue of connections that nobody accepts: the next one's SYN is dropped.
        using var server = Listener(IPAddress.Parse("127.9.3.3"), 1);
        var clients = Enumerable.Range(0, 4).Select(_ => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { Blocking = false }).ToList();
        foreach (var client in clients)
        {
            try
            {
                await Task.WhenAny(client.ConnectAsync(server.LocalEndPoint!), Task.Delay(100));
            }
            catch (SocketException)
            {
                // It would be told of as well.
            }
        }

        var told = Mine(await listed.DetectionsUntilAsync(records => Mine(records).Count(record => record.Role == "client") >= 4))
            .Where(record => record.Role == "client").ToList();
        output.WriteLine($"{clients.Count(client => !client.Connected)} of 4 have had no answer; {told.Count} told");
        Assert.Contains(clients, client => !client.Connected);
        Assert.Equal(4, told.Count);
        clients.ForEach(client => client.Dispose());
    }

    [Fact]
    public async Task Lists_change_while_connections_are_open_and_a_broken_file_changes_nothing()
    {
        Requires.Bpf();
        var list = ListedAgent.WriteList("127.9.0.0/16 detect 7 Outer\n");
        await using var listed = await ListedAgent.StartAsync(list);
        using var server = Listener(IPAddress.Parse("127.7.0.1"), 10);
        using var client = Dial(server.LocalEndPoint!);
        using var accepted = server.Accept();

        // The connection was there first.
        File.WriteAllText(list + ".new", "127.7.0.0/16 detect 5 Late\n127.9.0.0/16 detect 7 Outer\n");
        File.Move(list + ".new", list, overwrite: true);
        var late = await listed.DetectionsUntilAsync(records => Mine(records).Any(record => record.Name == "Late"));
        Assert.Contains(Mine(late), record => record is { Name: "Late", Role: "client" } && record.PeerPort == ((IPEndPoint)server.LocalEndPoint!).Port);

        File.WriteAllText(list, "");
        await listed.Agent.ScrapeUntilAsync(page => page.Losses.Contains("verdicts/broken_file=1"), TimeSpan.FromSeconds(10));
        Assert.Equal(0, Mine(listed.Detections).Count(record => record.Name == "Outer"));
        Refused(IPAddress.Parse("127.9.2.3"), dual: false);
        var still = await listed.DetectionsUntilAsync(records => Mine(records).Any(record => record.Name == "Outer"));
        Assert.Contains(Mine(still), record => record.Name == "Outer");
        Assert.Contains("stay in force", listed.Agent.Errors);

        // By hand, for a while: the longer prefix, whoever has it.
        await listed.CtlAsync("verdict", "add", "127.9.2.0/24", "allow");
        await listed.CtlAsync("verdict", "add", "127.6.0.0/16", "detect", "--classification", "3", "--name", "By hand", "--ttl", "6s");
        Assert.Contains("By hand", await listed.CtlAsync("verdict", "list"));
        Refused(IPAddress.Parse("127.9.2.3"), dual: false);
        Refused(IPAddress.Parse("127.6.2.3"), dual: false);
        var byHand = await listed.DetectionsUntilAsync(records => Mine(records).Any(record => record.Name == "By hand"));
        Assert.Equal((1, 1), (Mine(byHand).Count(record => record.Name == "By hand"), Mine(byHand).Count(record => record.Name == "Outer")));

        await listed.Agent.ScrapeUntilAsync(page => page.Sum("sockwatch_verdicts_entries", ("source", "added")) == 1, TimeSpan.FromSeconds(15));
        Refused(IPAddress.Parse("127.6.2.3"), dual: false);
        await listed.CtlAsync("verdict", "remove", "127.9.2.0/24");
        Refused(IPAddress.Parse("127.9.2.3"), dual: false);
        var last = await listed.DetectionsUntilAsync(records => Mine(records).Count(record => record.Name == "Outer") == 2);
        Assert.Equal((1, 2), (Mine(last).Count(record => record.Name == "By hand"), Mine(last).Count(record => record.Name == "Outer")));
    }

    [Fact]
    public async Task A_limit_of_the_process_leaves_totals_and_detections()
    {
        Requires.Bpf();
        await using var listed = await ListedAgent.StartAsync(ListedAgent.WriteList(List));
        await listed.CtlAsync("limit", $"{s_self}", "--sockets", "2");

        var ports = Enumerable.Range(0, 5).Select(_ => Refused(IPAddress.Parse("127.9.2.9"), dual: false)).ToList();

        var told = Mine(await listed.DetectionsUntilAsync(records => Mine(records).Count >= 5));
        var page = await listed.Agent.ScrapeUntilAsync(page => page.Lost("process_limit") >= 3, TimeSpan.FromSeconds(8));
        var failed = listed.Agent.Output.Count(line => line.Contains("\"flow.failed\"") && ports.Any(port => line.Contains($"\"network.peer.port\":{port},")));
        Assert.Equal(ports.Order(), told.Select(record => record.PeerPort).Order());
        Assert.Equal((2, 3), (failed, (int)page.Lost("process_limit")));
        Assert.Equal(5, page.Of("sockwatch_socket_operations_total")
            .Where(sample => ports.Any(port => sample["server_port"] == $"{port}") && sample["error_type"] == "connection_refused").Sum(sample => sample.Value));

        Assert.Contains("forgotten", await listed.CtlAsync("forget", $"{s_self}"));
        var after = Refused(IPAddress.Parse("127.9.2.9"), dual: false);
        await listed.DetectionsUntilAsync(records => Mine(records).Count >= 6);
        Assert.Contains(listed.Agent.Output, line => line.Contains("\"flow.failed\"") && line.Contains($"\"network.peer.port\":{after},"));
    }

    [Fact]
    public async Task Metrics_have_the_class_of_the_lists_as_they_are_from_the_first_contact_on()
    {
        Requires.Bpf();
        await using var listed = await ListedAgent.StartAsync(ListedAgent.WriteList(List));
        var peer = IPAddress.Parse("127.6.4.4");
        using var server = Listener(peer, 10);
        var port = $"{Port(server)}";
        Dial(server.LocalEndPoint!).Dispose();
        await listed.Agent.ScrapeUntilAsync(page => Connects(page, "loopback") == 1, TimeSpan.FromSeconds(8));

        await listed.CtlAsync("verdict", "add", "127.6.4.4", "detect", "--name", "Hot");
        Dial(server.LocalEndPoint!).Dispose();
        var page = await listed.Agent.ScrapeUntilAsync(page => Told(page).Any(), TimeSpan.FromSeconds(8));
        Assert.Equal("listed", Assert.Single(Told(page))["peer_class"]);
        Assert.Equal((1, 1), (Connects(page, "loopback"), Connects(page, "listed")));

        await listed.CtlAsync("verdict", "remove", "127.6.4.4");
        Dial(server.LocalEndPoint!).Dispose();
        page = await listed.Agent.ScrapeUntilAsync(page => Connects(page, "loopback") == 2, TimeSpan.FromSeconds(8));
        Assert.Equal((2, 1), (Connects(page, "loopback"), Connects(page, "listed")));

        double Connects(MetricPage page, string of) => page.Sum(
            "sockwatch_socket_operations_total", ("server_port", port), ("network_role", "client"), ("socket_operation", "connect"), ("peer_class", of));
        IEnumerable<Sample> Told(MetricPage page) => page.Of("sockwatch_detections_total").Where(sample => sample["detection_name"] == "Hot" && sample["network_role"] == "client");
    }

    [Fact]
    public async Task Looking_shows_limited_processes_and_a_limit_that_goes_gives_open_sockets_their_records_back()
    {
        Requires.Bpf();
        await using var listed = await ListedAgent.StartAsync(ListedAgent.WriteList(List), ("SOCKWATCH__READER__UPDATEINTERVAL", "1s"));
        await listed.CtlAsync("limit", $"{s_self}", "--sockets", "1");
        using var server = Listener(IPAddress.Parse("127.0.0.78"), 10);
        var clients = Enumerable.Range(0, 3).Select(_ => Dial(server.LocalEndPoint!)).ToList();
        var locals = clients.Select(client => client.LocalEndPoint!.ToString()!).ToList();
        var before = await listed.CtlAsync("dump", "process_limits");

        var dump = await listed.CtlAsync("dump", "sockets", "--rows", "60000");
        Assert.All(locals, local => Assert.Contains(local, dump));
        Assert.Equal(before, await listed.CtlAsync("dump", "process_limits"));
        for (var i = 0; i < 30 && Recorded() < 1; i++)
        {
            // What is in the ring takes the reader a moment.
            await Task.Delay(100);
        }

        Assert.Equal(1, Recorded());

        await listed.CtlAsync("forget", $"{s_self}");
        for (var i = 0; i < 60 && Recorded() < 3; i++)
        {
            clients.ForEach(client => client.Send("x"u8));
            await Task.Delay(100);
        }

        Assert.Equal(3, Recorded());
        clients.ForEach(client => client.Dispose());

        int Recorded() => locals.Count(local => listed.Agent.Output.Any(line =>
            line.Contains("\"network.role\":\"client\"") && line.Contains($"\"network.local.port\":{local.Split(':')[1]},")));
    }

    private static List<DetectRecord> Mine(IEnumerable<DetectRecord> records) => [.. records.Where(record => record.Pid == s_self)];

    // The port of the listed end, in each case.

    private static int Connect(IPAddress peer, bool dual)
    {
        using var server = Listener(peer, 10);
        using var client = Dial(server.LocalEndPoint!, dual);
        return Port(server);
    }

    private static int Refused(IPAddress peer, bool dual)
    {
        int port;
        using (var server = Listener(peer, 10))
        {
            port = Port(server);
        }

        try
        {
            Dial(new IPEndPoint(peer, port), dual).Dispose();
            Assert.Fail($"{peer}:{port} should have refused");
        }
        catch (SocketException)
        {
            // As it should.
        }

        return port;
    }

    private static (int Listed, int Own) Accept(IPAddress peer, bool dual)
    {
        // The server's own address is on no list; ::1 has no neighbour that could be used.
        var isSix = peer.AddressFamily == AddressFamily.InterNetworkV6;
        using var server = isSix ? Listener(IPAddress.IPv6Loopback, 10) : dual ? ListenerOfBoth() : Listener(IPAddress.Parse("127.0.0.77"), 10);
        using var client = new Socket(peer.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        client.Bind(new IPEndPoint(peer, 0));
        client.Connect(isSix ? server.LocalEndPoint! : new IPEndPoint(IPAddress.Parse("127.0.0.77"), Port(server)));
        using var accepted = server.Accept();
        accepted.Send("hello"u8);
        return (Port(client), Port(server));
    }

    private static int SendThrice(IPAddress peer, bool dual)
    {
        using var server = new Socket(peer.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        server.Bind(new IPEndPoint(peer, 0));
        using var client = new Socket(dual ? AddressFamily.InterNetworkV6 : peer.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        if (dual)
        {
            client.DualMode = true;
        }

        for (var i = 0; i < 3; i++)
        {
            client.SendTo("hello"u8, new IPEndPoint(dual ? peer.MapToIPv6() : peer, Port(server)));
        }

        return Port(server);
    }

    private static (int Listed, int Own) ReceiveThrice(IPAddress peer, bool dual)
    {
        var isSix = peer.AddressFamily == AddressFamily.InterNetworkV6;
        using var server = new Socket(dual || isSix ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        if (dual)
        {
            server.DualMode = true;
        }

        server.Bind(new IPEndPoint(isSix || dual ? IPAddress.IPv6Any : IPAddress.Any, 0));
        using var client = new Socket(peer.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        client.Bind(new IPEndPoint(peer, 0));
        var buffer = new byte[16];
        for (var i = 0; i < 3; i++)
        {
            client.SendTo("hello"u8, new IPEndPoint(isSix ? IPAddress.IPv6Loopback : IPAddress.Parse("127.0.0.78"), Port(server)));
            EndPoint from = new IPEndPoint(isSix || dual ? IPAddress.IPv6Any : IPAddress.Any, 0);
            server.ReceiveFrom(buffer, ref from);
        }

        return (Port(client), Port(server));
    }

    private static Socket Listener(IPAddress address, int backlog)
    {
        var server = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        server.Bind(new IPEndPoint(address, 0));
        server.Listen(backlog);
        return server;
    }

    private static Socket ListenerOfBoth()
    {
        var server = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp) { DualMode = true };
        server.Bind(new IPEndPoint(IPAddress.IPv6Any, 0));
        server.Listen(10);
        return server;
    }

    private static Socket Dial(EndPoint target, bool dual = false)
    {
        var end = (IPEndPoint)target;
        var client = new Socket(dual ? AddressFamily.InterNetworkV6 : end.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (dual)
            {
                client.DualMode = true;
            }

            client.Connect(new IPEndPoint(dual ? end.Address.MapToIPv6() : end.Address, end.Port));
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    private static int Port(Socket socket) => ((IPEndPoint)socket.LocalEndPoint!).Port;
}
