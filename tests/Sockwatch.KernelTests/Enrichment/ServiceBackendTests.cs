using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Sockwatch.Kernel;
using Sockwatch.KernelTests.Agents;
using Sockwatch.Tests.Enrichment.Kubernetes.Server;

namespace Sockwatch.KernelTests.Enrichment;

/// <summary>Services as kube-proxy makes them, by rules of iptables that translate addresses, with three pods behind them.</summary>
public sealed partial class ServiceBackendTests(ITestOutputHelper output)
{
    private const int Rounds = 20;
    private const int Questions = 20_000;

    private const string Network = """
        ip addr add 10.77.0.7/32 dev lo
        ip -6 addr add fd00:77::7/128 dev lo
        ip route add default dev lo src 10.77.0.7
        ip -6 route add default dev lo src fd00:77::7
        for i in 1 2 3; do
          ip addr add 10.78.0.$i/32 dev lo
          ip -6 addr add fd00:78::$i/128 dev lo
        done
        for protocol in tcp udp; do
          rule="OUTPUT -p $protocol --dport 80 -m statistic --mode nth --packet 0"
          for left in 3 2 1; do
            iptables -t nat -A ${rule/OUTPUT/OUTPUT -d 10.96.0.10} --every $left -j DNAT --to-destination 10.78.0.$left:9000
            ip6tables -t nat -A ${rule/OUTPUT/OUTPUT -d fd00:96::10} --every $left -j DNAT --to-destination [fd00:78::$left]:9000
          done
        done
        iptables -t nat -A OUTPUT -d 10.96.0.10 -p tcp --dport 81 -j DNAT --to-destination 10.78.0.1:9999
        """;

    // Each answer says who gives it and who is asked by: the truth.
    private const string Pods = """
        import socket, sys, threading
        def tcp(family, address):
            listener = socket.create_server((address, 9000), family=family, backlog=64)
            def run():
                while True:
                    one, peer = listener.accept()
                    one.recv(100)
                    one.sendall(f'{peer[1]} {address}'.encode())
                    one.close()
            return run
        def udp(family, address):
            server = socket.socket(family, socket.SOCK_DGRAM)
            server.bind((address, 9000))
            def run():
                while True:
                    _, peer = server.recvfrom(100)
                    server.sendto(f'{peer[1]} {address}'.encode(), peer)
            return run
        for i in 1, 2, 3:
            for family, address in (socket.AF_INET, f'10.78.0.{i}'), (socket.AF_INET6, f'fd00:78::{i}'):
                for kind in tcp, udp:
                    threading.Thread(target=kind(family, address), daemon=True).start()
        print('ready', flush=True)
        sys.stdin.read()
        """;

    private const string Clients = """
        import socket, sys
        for i in range(int(sys.argv[1])):
            for kind, name in (socket.SOCK_STREAM, 'tcp'), (socket.SOCK_DGRAM, 'udp'):
                for family, service in (socket.AF_INET, '10.96.0.10'), (socket.AF_INET6, 'fd00:96::10'):
                    one = socket.socket(family, kind)
                    one.settimeout(5)
                    one.connect((service, 80))
                    one.send(b'who are you')
                    print(name, one.recv(100).decode())
                    one.close()
        try:
            socket.create_connection(('10.96.0.10', 81), 5)
        except ConnectionRefusedError:
            pass
        """;

    [Fact]
    public async Task Flow_records_say_which_pod_answers_for_a_service()
    {
        Requires.Bpf();
        Requires.Program("iptables", "iptables");
        using var network = await NetworkNamespace.CreateAsync();
        try
        {
            await network.RunAsync(Network);
        }
        catch (Xunit.Sdk.XunitException failure)
        {
            Assert.Skip($"this kernel translates no addresses: {failure.Message}");
        }

        await using var server = await ApiServer.StartAsync();
        server.Store.PutService("shop", "web", ["10.96.0.10", "fd00:96::10"]);
        for (var i = 1; i <= 3; i++)
        {
            server.Store.Put(new Pod($"web-{i}", Node: "node-2") { Owner = ("StatefulSet", $"web-of-{i}"), Ips = [$"10.78.0.{i}", $"fd00:78::{i}"] });
        }

        var port = RunningAgent.FreePort();
        await network.ForwardAsync([port], [server.Url.Port]);
        var kubeconfig = await Kubeconfig.WriteAsync(server.Url);
        await using var agent = await RunningAgent.StartByAsync(
            network.Launcher, port,
            ("SOCKWATCH__KUBERNETES__NODENAME", "node-1"),
            ("SOCKWATCH__KUBERNETES__KUBECONFIG", kubeconfig),
            ("SOCKWATCH__KUBERNETES__SERVICEBACKENDS", "true"),
            ("SOCKWATCH__FLOWLOG__FORMAT", "json"));
        await agent.ScrapeUntilAsync(
            page => page.Sum("sockwatch_kubernetes_objects", ("resource", "cluster_pods")) == 3 && page.Sum("sockwatch_kubernetes_objects", ("resource", "services")) > 0,
            TimeSpan.FromSeconds(20));
        using var pods = network.Start("python3", "-c", Pods);
        Assert.Equal("ready", await pods.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken));

        var truth = (await network.RunAsync($"python3 -c \"$(cat <<'END'\n{Clients}\nEND\n)\" {Rounds}")).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' ')).Select(line => (Transport: line[0], Port: int.Parse(line[1], CultureInfo.InvariantCulture), Address: line[2])).ToList();
        await agent.ScrapeUntilAsync(
            page => page.Of("sockwatch_backend_questions_total").Sum(sample => sample.Value) > truth.Count, TimeSpan.FromSeconds(20));
        var cost = CostOfAQuestion(network, truth.Last(one => one.Transport == "tcp" && !one.Address.Contains(':')));
        pods.StandardInput.Close();
        var page = await agent.ScrapeAsync();
        await agent.StopAsync();

        var records = agent.Output.Select(line => JsonDocument.Parse(line).RootElement)
            .Where(record => Text(record, "peer.kind") == "Service" && Text(record, "network.role") == "client").ToList();
        output.WriteLine($"{truth.Count} conversations with a service, {truth.Select(one => one.Address).Distinct().Count()} addresses behind it; "
            + $"{records.Count} records; a question takes {cost.TotalMicroseconds:0.0} us");
        Assert.Equal(4 * Rounds, truth.Count);
        Assert.Equal(6, truth.Select(one => one.Address).Distinct().Count());
        foreach (var (transport, localPort, address) in truth)
        {
            var ofFlow = records.Where(record => Text(record, "network.transport") == transport && record.GetProperty("network.local.port").GetInt32() == localPort
                && (Text(record, "network.type") == "ipv6") == address.Contains(':')).ToList();
            Assert.Equal(["flow.start", "flow.end"], ofFlow.Select(record => Text(record, "event.name")));
            Assert.All(ofFlow, record =>
            {
                Assert.Equal(("web", "shop"), (Text(record, "peer.name"), Text(record, "peer.namespace")));
                Assert.Equal((address, 9000), (Text(record, "peer.backend.address"), record.GetProperty("peer.backend.port").GetInt32()));
                Assert.Equal(("StatefulSet", $"web-of-{address[^1]}"), (Text(record, "peer.backend.kind"), Text(record, "peer.backend.name")));
            });
        }

        // The kernel forgets a conversation that was refused at once.
        var refused = Assert.Single(records, record => Text(record, "event.name") == "flow.failed");
        Assert.Equal(("web", ""), (Text(refused, "peer.name"), Text(refused, "peer.backend.address")));
        Assert.Equal(1, page.Sum("sockwatch_backend_questions_total", ("outcome", "unknown")));
        Assert.Equal(truth.Count, page.Sum("sockwatch_backend_questions_total", ("outcome", "found")));
        Assert.Equal(0, page.Sum("sockwatch_backend_questions_total", ("outcome", "failed")));
    }

    private static string Text(JsonElement record, string name) => record.TryGetProperty(name, out var value) ? value.GetString() ?? "" : "";

    /// <summary>Of one that has an answer.</summary>
    private static TimeSpan CostOfAQuestion(NetworkNamespace network, (string Transport, int Port, string Address) known)
    {
        var took = TimeSpan.Zero;
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                // The thread ends in there.
                using var target = File.OpenHandle(network.Path);
                Assert.Equal(0, setns(target, 0));
                using var conntrack = new Conntrack();
                var question = new Conversation(
                    TransportProtocol.Tcp, Address16.Parse("10.77.0.7"), (ushort)known.Port, Address16.Parse("10.96.0.10"), 80);
                var clock = Stopwatch.StartNew();
                for (var i = 0; i < Questions; i++)
                {
                    var answer = conntrack.Find(question, out var error);
                    Assert.Equal(0, error);
                    Assert.Equal(new Endpoint(Address16.Parse(known.Address), 9000), answer);
                }

                took = clock.Elapsed / Questions;
            }
            catch (Exception caught)
            {
                failure = caught;
            }
        });
        thread.Start();
        thread.Join();
        return failure is null ? took : throw new InvalidOperationException("The kernel could not be asked", failure);
    }

#pragma warning disable SYSLIB1054, IDE1006, CA5392 // libc's name, and no unsafe code for it.
    [DllImport("libc", ExactSpelling = true, SetLastError = true)]
    private static extern int setns(SafeHandle descriptor, int type);
#pragma warning restore
}
