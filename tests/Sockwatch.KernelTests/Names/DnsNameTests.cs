using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Sockwatch.KernelTests.Agents;
using Sockwatch.Tests.Enrichment.Dns;

namespace Sockwatch.KernelTests.Names;

/// <summary>Names from answers on the wire: a real server, real clients, and a server of our own that lies.</summary>
public sealed class DnsNameTests(ITestOutputHelper output) : IDisposable
{
    private const string Server = "127.53.0.1";
    private const string Liar = "127.53.0.2";
    private readonly string _folder = Directory.CreateTempSubdirectory("sockwatch-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Peers_have_the_names_that_real_resolvers_asked_for()
    {
        Requires.Bpf();
        var dnsmasq = Requires.Program("dnsmasq", "dnsmasq-base");
        var dig = Requires.Program("dig", "bind9-dnsutils");
        var curl = Requires.Program("curl", "curl");
        Requires.Program("unshare", "util-linux");
        var v6 = Socket.OSSupportsIPv6 && File.Exists("/proc/net/if_inet6");
        string[] addresses = [.. Enumerable.Range(1, 8).Select(i => $"198.18.53.{i}"), .. v6 ? ["2001:db8:53::2"] : Array.Empty<string>()];
        await using var ours = await LocalAddresses.AddAsync(addresses);
        await File.WriteAllTextAsync(Path.Combine(_folder, "dnsmasq.conf"), $"""
            no-daemon
            no-resolv
            no-hosts
            user=root
            pid-file=
            bind-interfaces
            listen-address={Server}
            host-record=by-dig.example.test,198.18.53.1
            host-record=six.example.test,2001:db8:53::2
            host-record=host.cdn.test,198.18.53.3
            cname=edge.cdn.test,host.cdn.test
            cname=WWW.shop.test,edge.cdn.test
            host-record=by-curl.example.test,198.18.53.4
            host-record=by-getent.example.test,198.18.53.5
            host-record=by-python.example.test,198.18.53.6
            host-record=by-tcp.example.test,198.18.53.7
            host-record=many.example.test,198.18.53.8
            {string.Join('\n', Enumerable.Range(1, 50).Select(i => $"host-record=many.example.test,198.18.54.{i}"))}
            """);
        await File.WriteAllTextAsync(Path.Combine(_folder, "resolv.conf"), $"nameserver {Server}\n");
        using var server = Process.Start(new ProcessStartInfo(dnsmasq, ["-C", Path.Combine(_folder, "dnsmasq.conf")]) { RedirectStandardError = true })!;
        try
        {
            await using var agent = await RunningAgent.StartAsync("--flow-log", "-", "--format", "json");
            using var listener = new TcpListener(v6 ? IPAddress.IPv6Any : IPAddress.Any, 0);
            listener.Server.DualMode = v6;
            listener.Start(20);
            var port = ((IPEndPoint)listener.LocalEndpoint).Port;
            await UntilAnswersAsync(dig);

            await Shell.RunAsync(dig, "+short", $"@{Server}", "By-Dig.Example.Test");
            await Shell.RunAsync(dig, "+short", $"@{Server}", "six.example.test", "AAAA");
            await Shell.RunAsync(dig, "+short", $"@{Server}", "www.shop.test");
            await Shell.RunAsync(dig, "+short", $"@{Server}", "missing.example.test");
            await ResolvingAsync($"{curl} -s -m 1 http://by-curl.example.test:{port}/");
            await ResolvingAsync("getent ahosts by-getent.example.test");
            await ResolvingAsync("python3 -c \"import socket; socket.gethostbyname('by-python.example.test')\"");
            await Shell.RunAsync(dig, "+short", "+tcp", $"@{Server}", "by-tcp.example.test");
            await ResolvingAsync("getent ahostsv4 many.example.test"); // more than a datagram holds: told so, it asks by TCP
            foreach (var address in addresses)
            {
                using var client = new TcpClient(IPAddress.Parse(address).AddressFamily);
                await client.ConnectAsync(IPAddress.Parse(address), port);
            }

            var page = await agent.ScrapeUntilAsync(
                page => page.Of("sockwatch_connections_open").Concat(page.Of("sockwatch_socket_operations_total")).Any(sample => sample["peer_name"] == "many.example.test"), TimeSpan.FromSeconds(8));
            await agent.StopAsync();

            var names = Connects(agent, port).GroupBy(one => one.Address).ToDictionary(one => one.Key, one => one.Select(peer => $"{peer.Kind} {peer.Name}").Distinct().ToList());
            output.WriteLine(string.Join('\n', names.Select(one => $"{one.Key}: {string.Join(", ", one.Value)}")));
            output.WriteLine(string.Join(", ", page.Of("sockwatch_dns_answers_total").Select(sample => $"{sample["outcome"]} {sample.Value}")));
            Assert.Equal(["Dns by-dig.example.test"], names["198.18.53.1"]);
            Assert.Equal(["Dns www.shop.test"], names["198.18.53.3"]);
            Assert.Equal(["Dns by-curl.example.test"], names["198.18.53.4"]);
            Assert.Equal(["Dns by-getent.example.test"], names["198.18.53.5"]);
            Assert.Equal(["Dns by-python.example.test"], names["198.18.53.6"]);
            Assert.Equal(["Dns by-tcp.example.test"], names["198.18.53.7"]);
            Assert.Equal(["Dns many.example.test"], names["198.18.53.8"]);
            Assert.True(Outcome(page, "truncated") > 0, "no answer was too long for a datagram");
            if (v6)
            {
                Assert.Equal(["Dns six.example.test"], names["2001:db8:53::2"]);
            }

            Assert.Contains(page.Of("sockwatch_socket_operations_total"), sample => sample["peer_kind"] == "Dns" && sample["peer_name"] == "www.shop.test");
            Assert.Equal(0, page.Sum("sockwatch_dns_answers_total", ("outcome", "unsolicited")));
            Assert.Equal(0, page.Sum("sockwatch_dns_answers_total", ("outcome", "malformed")));
            Assert.Equal("", page.Losses);
        }
        finally
        {
            server.Kill();
            await server.WaitForExitAsync();
        }
    }

    [Fact]
    public async Task Whichever_way_a_name_is_asked_for_it_is_seen()
    {
        Requires.Bpf();
        await using var agent = await RunningAgent.StartAsync("--flow-log", "none");

        var ask = await Shell.RunAsync(Repository.Load("ask"));

        Assert.True(ask.ExitCode == 0, ask.Errors);
        var ways = ask.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var page = await agent.ScrapeUntilAsync(page => ways.All(way => IsNamed(page, way)), TimeSpan.FromSeconds(8));
        output.WriteLine(string.Join(' ', ways));
        Assert.Equal(14, ways.Length);
        Assert.All(ways, way => Assert.True(IsNamed(page, way), way));
        Assert.Equal(0, page.Sum("sockwatch_dns_answers_total", ("outcome", "unsolicited")));
        Assert.Equal("", page.Losses);

        static bool IsNamed(MetricPage page, string way) =>
            page.Sum("sockwatch_socket_operations_total", ("peer_kind", "Dns"), ("peer_name", $"{way}.ask.test"), ("error_type", "connection_refused")) == 1;
    }

    [Fact]
    public async Task A_server_that_lies_names_nobody_and_breaks_nothing()
    {
        Requires.Bpf();
        await using var ours = await LocalAddresses.AddAsync("198.18.53.9");
        await using var agent = await RunningAgent.StartAsync("--flow-log", "-", "--format", "json");
        using var listener = new TcpListener(IPAddress.Any, 0);
        listener.Start(20);
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        using var liar = new UdpClient(new IPEndPoint(IPAddress.Parse(Liar), 53));
        using var stranger = new UdpClient(new IPEndPoint(IPAddress.Parse("127.53.0.3"), 53));
        using var client = new UdpClient(new IPEndPoint(IPAddress.Loopback, 0));
        byte[][] lies =
        [
            DnsBytes.Answer(8, "bank.test", ["198.18.53.9"]), // to a question with another number
            DnsBytes.Answer(7, "evil.test", ["198.18.53.9"]), // to another question
            DnsBytes.Message(7, 0x8380, "bank.test").ToArray(), // truncated
            DnsBytes.Answer(7, "bank.test", ["198.18.53.9"])[..^3], // cut off
            DnsBytes.Message(7, 0x8180, "bank.test", answers: 1).Pointer(12 + 1000).RecordAfterName(DnsBytes.A, 60, [198, 18, 53, 9]).ToArray(), // a name from nowhere
            DnsBytes.Message(7, 0x8180, "bank.test", answers: 1).Record("elsewhere.test", DnsBytes.A, 60, [198, 18, 53, 9]).ToArray(), // about somebody else
            new byte[1400],
            [1, 2, 3],
        ];

        foreach (var lie in lies)
        {
            await client.SendAsync(DnsBytes.Question(7, "bank.test"), new IPEndPoint(IPAddress.Parse(Liar), 53));
            var asked = await liar.ReceiveAsync();
            await stranger.SendAsync(DnsBytes.Answer(7, "bank.test", ["198.18.53.9"]), asked.RemoteEndPoint); // from a server that was not asked
            await liar.SendAsync(lie, asked.RemoteEndPoint);
            await client.ReceiveAsync();
            await client.ReceiveAsync();
        }

        // Nobody asked at all; and random bytes in plenty.
        var random = new Random(1);
        for (var i = 0; i < 500; i++)
        {
            var noise = new byte[random.Next(1, 1400)];
            random.NextBytes(noise);
            noise.AsSpan(0, Math.Min(noise.Length, 12)).Clear();
            noise[0] = (byte)i;
            if (noise.Length >= 6)
            {
                (noise[2], noise[5]) = (0x81, 1); // or the kernel side would not even look
            }

            await stranger.SendAsync(noise, (IPEndPoint)client.Client.LocalEndPoint!);
            await client.ReceiveAsync();
        }

        using (var connection = new TcpClient())
        {
            await connection.ConnectAsync(IPAddress.Parse("198.18.53.9"), port);
        }

        var page = await agent.ScrapeUntilAsync(page => Outcome(page, "malformed") > 300, TimeSpan.FromSeconds(8));
        await agent.StopAsync();

        output.WriteLine(string.Join(", ", page.Of("sockwatch_dns_answers_total").Select(sample => $"{sample["outcome"]} {sample.Value}")));
        Assert.All(Connects(agent, port), peer => Assert.NotEqual("Dns", peer.Kind));
        Assert.Equal((0, 1), (Outcome(page, "named"), Outcome(page, "truncated")));
        Assert.Equal(10, Outcome(page, "unsolicited")); // eight of the stranger, one number, one question
        Assert.Equal("", page.Losses);
    }

    [Fact]
    public async Task Lengths_that_lie_and_streams_of_noise_name_nobody_and_the_next_connection_is_read()
    {
        Requires.Bpf();
        await using var ours = await LocalAddresses.AddAsync("198.18.53.9", "198.18.53.10");
        await using var agent = await RunningAgent.StartAsync("--flow-log", "-", "--format", "json");
        using var listener = new TcpListener(IPAddress.Any, 0);
        listener.Start(20);
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        using var server = new TcpListener(IPAddress.Parse(Liar), 53);
        server.Start(20);
        var random = new Random(2);
        for (var i = 0; i < 300; i++)
        {
            var answer = DnsBytes.Answer(7, "bank.test", ["198.18.53.9"]);
            var noise = new byte[random.Next(0, 4000)];
            random.NextBytes(noise);
            byte[] lie = (i % 5) switch
            {
                0 => noise,
                1 => Framed(DnsBytes.Answer(8, "bank.test", ["198.18.53.9"])), // to a question with another number
                2 => [.. Framed(noise), .. Framed(DnsBytes.Answer(7, "evil.test", ["198.18.53.9"]))], // to another question
                3 => [(byte)random.Next(256), (byte)random.Next(256), .. noise, .. answer], // a length that lies
                _ => [0, 0, 0, 1, 7, 0, 0, 255, 255, .. noise],
            };
            await ExchangeAsync(server, DnsBytes.Question(7, "bank.test"), lie, random.Next(1, 1500));
        }

        await ExchangeAsync(server, DnsBytes.Question(9, "honest.test"), Framed(DnsBytes.Answer(9, "honest.test", ["198.18.53.10"])), 5);
        foreach (var address in new[] { "198.18.53.9", "198.18.53.10" })
        {
            using var connection = new TcpClient();
            await connection.ConnectAsync(IPAddress.Parse(address), port);
        }

        var page = await agent.ScrapeUntilAsync(page => Outcome(page, "named") > 0, TimeSpan.FromSeconds(8));
        await agent.StopAsync();

        output.WriteLine(string.Join(", ", page.Of("sockwatch_dns_answers_total").Select(sample => $"{sample["outcome"]} {sample.Value}")) + $"; lost: {page.Losses}");
        Assert.Equal(["", "honest.test"], Connects(agent, port).OrderBy(peer => peer.Address.Length).Select(peer => peer.Kind == "Dns" ? peer.Name : ""));
        Assert.Equal(1, Outcome(page, "named"));
        Assert.InRange(Outcome(page, "unsolicited"), 60, 240);
        Assert.Equal(0, page.Lost("dns_full"));
    }

    [Fact]
    public async Task Switched_off_there_is_neither_copy_nor_name()
    {
        Requires.Bpf();
        await using var ours = await LocalAddresses.AddAsync("198.18.53.9");
        await using var agent = await RunningAgent.StartInAsync(Directory.CreateTempSubdirectory("sockwatch-test-"),
            ("SOCKWATCH__ENRICHMENT__DNSNAMES", "false"), ("SOCKWATCH__FLOWLOG__FORMAT", "json"));
        using var listener = new TcpListener(IPAddress.Any, 0);
        listener.Start(20);
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        await AskAsync("198.18.53.9", "honest.test");
        using (var connection = new TcpClient())
        {
            await connection.ConnectAsync(IPAddress.Parse("198.18.53.9"), port);
        }

        await Task.Delay(500);
        var page = await agent.ScrapeAsync();
        await agent.StopAsync();

        Assert.NotEmpty(Connects(agent, port));
        Assert.All(Connects(agent, port), peer => Assert.NotEqual("Dns", peer.Kind));
        Assert.Equal(0, page.Of("sockwatch_dns_answers_total").Sum(sample => sample.Value));
    }

    [Fact]
    public async Task More_messages_than_find_room_are_counted_and_the_next_name_is_right()
    {
        Requires.Bpf();
        await using var ours = await LocalAddresses.AddAsync("198.18.53.9");
        await using var agent = await RunningAgent.StartAsync("--flow-log", "none");
        using var listener = new TcpListener(IPAddress.Any, 0);
        listener.Start(20);
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        using var sink = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        sink.Bind(new IPEndPoint(IPAddress.Parse(Liar), 53));
        using var flood = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        flood.Connect(new IPEndPoint(IPAddress.Parse(Liar), 53));
        var question = DnsBytes.Question(7, new string('a', 60) + "." + new string('b', 60) + ".test");
        var clock = Stopwatch.StartNew();
        var sent = 0;
        for (; sent < 100_000 && clock.Elapsed < TimeSpan.FromSeconds(5); sent++)
        {
            flood.Send(question);
        }

        var page = await agent.ScrapeAsync();
        output.WriteLine($"{sent} questions in {clock.Elapsed.TotalSeconds:0.0} s: {page.Lost("dns_full")} found no room");
        sink.Dispose();
        await Task.Delay(600);
        await AskAsync("198.18.53.9", "honest.test");
        using (var connection = new TcpClient())
        {
            await connection.ConnectAsync(IPAddress.Parse("198.18.53.9"), port);
        }

        page = await agent.ScrapeUntilAsync(page => IsNamed(page), TimeSpan.FromSeconds(8));
        Assert.True(IsNamed(page));
        Assert.True(page.Lost("dns_full") > 0, "the flood was not big enough");
        Assert.Equal(0, page.Lost("dns_unreadable"));

        static bool IsNamed(MetricPage page) => page.Of("sockwatch_socket_operations_total").Any(sample => sample["peer_name"] == "honest.test");
    }

    private static double Outcome(MetricPage page, string outcome) => page.Sum("sockwatch_dns_answers_total", ("outcome", outcome));

    private static async Task AskAsync(string address, string name)
    {
        using var server = new UdpClient(new IPEndPoint(IPAddress.Parse(Liar), 53));
        using var client = new UdpClient();
        client.Connect(IPAddress.Parse(Liar), 53);
        await client.SendAsync(DnsBytes.Question(9, name));
        var asked = await server.ReceiveAsync();
        await server.SendAsync(DnsBytes.Answer(9, name, [address]), asked.RemoteEndPoint);
        await client.ReceiveAsync();
    }

    private static byte[] Framed(byte[] message) => [(byte)(message.Length >> 8), (byte)message.Length, .. message];

    // Reads so much at a time, until the server closes.
    private static async Task ExchangeAsync(TcpListener server, byte[] question, byte[] answer, int atATime)
    {
        using var client = new TcpClient();
        var connecting = client.ConnectAsync(IPAddress.Parse(Liar), 53);
        using (var accepted = await server.AcceptTcpClientAsync())
        {
            await connecting;
            await client.GetStream().WriteAsync(Framed(question));
            await accepted.GetStream().ReadExactlyAsync(new byte[question.Length + 2]);
            await accepted.GetStream().WriteAsync(answer);
        }

        var buffer = new byte[atATime];
        while (await client.GetStream().ReadAsync(buffer) > 0)
        {
        }
    }

    private static async Task UntilAnswersAsync(string dig)
    {
        for (var patience = 0; patience < 50; patience++)
        {
            if ((await Shell.RunAsync(dig, "+short", "+tries=1", "+time=1", $"@{Server}", "by-dig.example.test")).Output.Contains("198.18.53.1", StringComparison.Ordinal))
            {
                return;
            }

            await Task.Delay(100);
        }

        throw new TimeoutException("dnsmasq does not answer");
    }

    // With a resolv.conf of the test's own, which nobody else sees.
    private Task<Ended> ResolvingAsync(string command) => Shell.RunAsync(
        "unshare", "--mount", "sh", "-c", $"mount --bind {_folder}/resolv.conf /etc/resolv.conf && {command}");

    private static List<(string Address, string Kind, string Name)> Connects(RunningAgent agent, int port) =>
    [
        .. agent.Output.Where(line => line.StartsWith('{')).Select(line => JsonDocument.Parse(line).RootElement)
            .Where(line => Text(line, "event.name") == "flow.start" && Text(line, "network.role") == "client" && Text(line, "network.transport") == "tcp"
                && line.TryGetProperty("network.peer.port", out var peer) && peer.GetInt32() == port)
            .Select(line => (Text(line, "network.peer.address"), Text(line, "peer.kind"), Text(line, "peer.name"))),
    ];

    private static string Text(JsonElement line, string name) => line.TryGetProperty(name, out var value) ? value.GetString()! : "";
}
