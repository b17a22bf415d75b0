using System.Net.Sockets;
using System.Text;
using Sockwatch.Control;

namespace Sockwatch.Tests.Control;

public sealed class ControlServerTests
{
    private static readonly ControlPatience Short = new()
    {
        Hello = TimeSpan.FromMilliseconds(150),
        Idle = TimeSpan.FromMilliseconds(150),
        Message = TimeSpan.FromMilliseconds(150),
        Answer = TimeSpan.FromMilliseconds(150),
    };

    [Fact]
    public async Task Says_who_it_is_and_what_it_offers()
    {
        await using var agent = await ControlledAgent.StartAsync();

        using var client = await agent.ClientAsync();

        Assert.Equal(ControlProtocol.Version, client.Agent.Version);
        Assert.Equal(Environment.ProcessId, client.Agent.Pid);
        Assert.Equal(["dump", "hello", "options", "trace"], client.Agent.Requests);
    }

    [Fact]
    public async Task The_socket_is_its_owners_alone()
    {
        await using var agent = await ControlledAgent.StartAsync();

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(ControlProtocol.SocketPath(agent.Directory)));
    }

    [Fact]
    public async Task Whoever_is_not_root_is_turned_away()
    {
        await using var agent = await ControlledAgent.StartAsync(letsIn: false);
        using var client = await agent.ConnectAsync();

        Assert.StartsWith("""E{"code":"not_permitted","message":"only root""", await client.HearAsync(), StringComparison.Ordinal);
        Assert.Equal("", await client.HearAsync());
        Assert.Equal(1, agent.Refused(ControlErrors.NotPermitted));
    }

    [Fact]
    public async Task The_kernel_says_who_a_client_is()
    {
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        var path = Path.Combine(Directory.CreateTempSubdirectory("control-").FullName, "s");
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        using var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await client.ConnectAsync(new UnixDomainSocketEndPoint(path));
        using var accepted = await listener.AcceptAsync();

        var peer = ControlPeer.Of(accepted);

        Assert.Equal(Environment.ProcessId, peer.Pid);
        Assert.Equal(Environment.IsPrivilegedProcess, peer.IsRoot);
    }

    [Fact]
    public async Task A_client_of_another_version_is_told_which_one_it_takes()
    {
        await using var agent = await ControlledAgent.StartAsync();
        using var client = await agent.ConnectAsync();

        await client.SayAsync("""{"name":"hello","arguments":{"version":2,"client":"test"}}""");

        Assert.Contains("speaks version 1 of the control protocol, not 2", await client.HearAsync(), StringComparison.Ordinal);
        Assert.Equal("", await client.HearAsync());
        Assert.Equal(1, agent.Refused(ControlErrors.Version));
    }

    [Fact]
    public async Task The_first_word_is_hello()
    {
        await using var agent = await ControlledAgent.StartAsync();
        using var client = await agent.ConnectAsync();

        await client.SayAsync("""{"name":"dump","arguments":{"sections":[],"maxRows":1}}""");

        Assert.StartsWith("""E{"code":"version","message":"the first request has to be hello""", await client.HearAsync(), StringComparison.Ordinal);
        Assert.Equal("", await client.HearAsync());
    }

    [Theory]
    [InlineData("""{"name":"unheard of","arguments":{}}""", "unknown_request")]
    [InlineData("""{"name":"options","arguments":{}}""", "bad_argument")]
    [InlineData("""{"name":"options","arguments":null}""", "bad_argument")]
    [InlineData("""{"name":"options","arguments":{"set":null}}""", "bad_argument")]
    [InlineData("""{"name":"options","arguments":{"set":[],"more":1}}""", "bad_argument")]
    [InlineData("""{"name":"options","arguments":{"set":[{"key":"kernel.maxEdges","value":"1"}]}}""", "bad_argument")]
    public async Task A_request_that_cannot_be_served_is_answered_and_the_next_one_is_heard(string request, string code)
    {
        await using var agent = await ControlledAgent.StartAsync();
        using var client = await agent.ConnectAsync();
        await client.SayAsync(RawClient.Hello);
        await client.HearAsync();

        await client.SayAsync(request);

        Assert.StartsWith($"E{{\"code\":\"{code}\"", await client.HearAsync(), StringComparison.Ordinal);
        await client.SayAsync("""{"name":"options","arguments":{"set":[]}}""");
        Assert.StartsWith("R", await client.HearAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("51", "")] // a kind, no more: the length goes on
    [InlineData("0000000051", "malformed")]
    [InlineData("0000000151", "malformed")]
    [InlineData("00000003517b7d", "malformed")]
    [InlineData("000000035a7b7d", "malformed")]
    [InlineData("ffffffff51", "too_big")]
    [InlineData("0001000151", "too_big")]
    public async Task What_is_no_message_ends_the_connection(string bytes, string code)
    {
        await using var agent = await ControlledAgent.StartAsync(patience: Short);
        using var client = await agent.ConnectAsync();

        await client.SendAsync(Convert.FromHexString(bytes));

        var answer = await client.HearAsync();
        Assert.StartsWith(code.Length == 0 ? "" : $"E{{\"code\":\"{code}\"", answer, StringComparison.Ordinal);
        Assert.Equal("", await client.HearAsync());
        Assert.Equal(1, agent.Refused(code.Length == 0 ? ControlErrors.TimedOut : code));
    }

    [Fact]
    public async Task The_longest_message_is_taken()
    {
        await using var agent = await ControlledAgent.StartAsync();
        using var client = await agent.ConnectAsync();
        await client.SayAsync(RawClient.Hello);
        await client.HearAsync();
        var request = """{"name":"options","arguments":{"set":[]}}""";

        await client.SayAsync(request.PadRight(ControlProtocol.MaxRequestBytes - 1));

        Assert.StartsWith("R", await client.HearAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Whoever_says_nothing_or_stops_in_the_middle_is_let_go()
    {
        await using var agent = await ControlledAgent.StartAsync(patience: Short);
        using var silent = await agent.ConnectAsync();
        using var interrupted = await agent.ConnectAsync();
        using var idle = await agent.ConnectAsync();

        await interrupted.SendAsync(RawClient.Frame('Q', Encoding.UTF8.GetBytes(RawClient.Hello)).AsMemory(0, 20));
        await idle.SayAsync(RawClient.Hello);

        Assert.Equal("", await silent.HearAsync());
        Assert.Equal("", await interrupted.HearAsync());
        Assert.StartsWith("R", await idle.HearAsync(), StringComparison.Ordinal);
        Assert.Equal("", await idle.HearAsync());
        await ControlledAgent.UntilAsync(() => agent.Refused(ControlErrors.TimedOut) == 3 && agent.Use.Clients == 0);
    }

    [Fact]
    public async Task Whoever_does_not_read_its_answers_is_let_go()
    {
        await using var agent = await ControlledAgent.StartAsync(patience: Short with { Idle = TimeSpan.FromSeconds(10) });
        using var client = await agent.ConnectAsync();
        await client.SayAsync(RawClient.Hello);
        try
        {
            while (agent.Refused(ControlErrors.TimedOut) == 0)
            {
                await client.SayAsync("""{"name":"options","arguments":{"set":[]}}""").WaitAsync(TimeSpan.FromSeconds(1));
            }
        }
        catch (Exception failure) when (failure is SocketException or TimeoutException)
        {
            // It has stopped listening to us.
        }

        await ControlledAgent.UntilAsync(() => agent.Refused(ControlErrors.TimedOut) == 1 && agent.Use.Clients == 0);
    }

    [Fact]
    public async Task A_thousand_clients_at_once_harm_nobody()
    {
        const int Count = 1000;
        await using var agent = await ControlledAgent.StartAsync();
        using var first = await agent.ClientAsync();
        var clients = new List<RawClient>();
        try
        {
            for (var i = 0; i < Count; i++)
            {
                clients.Add(await agent.ConnectAsync());
            }

            var most = new ControlOptions().MaxClients;
            await ControlledAgent.UntilAsync(() => agent.Refused(ControlErrors.TooMany) == Count - (most - 1));

            Assert.Equal(most, agent.Use.Clients);
            Assert.Contains("64 clients are connected already", await clients[^1].HearAsync(), StringComparison.Ordinal);
            await first.AskAsync(ControlRequests.Options, new OptionsArguments([]), CancellationToken.None);
        }
        finally
        {
            clients.ForEach(client => client.Dispose());
        }

        await ControlledAgent.UntilAsync(() => agent.Use.Clients == 1);
        using var next = await agent.ClientAsync();
    }

    [Fact]
    public async Task A_handler_that_fails_is_an_answer()
    {
        await using var agent = await ControlledAgent.StartAsync(more: new Failing());
        using var client = await agent.ClientAsync();

        var failure = await Assert.ThrowsAsync<ControlException>(() => client.AskAsync(ControlRequests.Reset, new NoArguments(), CancellationToken.None));

        Assert.Equal("reset failed: out of order", failure.Message);
        await client.AskAsync(ControlRequests.Options, new OptionsArguments([]), CancellationToken.None);
    }

    [Fact]
    public async Task What_a_killed_agent_left_behind_is_replaced()
    {
        var directory = Directory.CreateTempSubdirectory("control-").FullName;
        using (var killed = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            killed.Bind(new UnixDomainSocketEndPoint(ControlProtocol.SocketPath(directory) + ".old"));
            killed.Listen();
            File.Move(ControlProtocol.SocketPath(directory) + ".old", ControlProtocol.SocketPath(directory));
        }

        Assert.Null(await ControlClient.TryConnectAsync(directory, CancellationToken.None));
        await using var agent = await ControlledAgent.StartInAsync(directory);

        using var client = await agent.ClientAsync();
    }

    [Fact]
    public async Task A_socket_that_somebody_answers_at_is_left_alone()
    {
        await using var first = await ControlledAgent.StartAsync();

        var failure = await Assert.ThrowsAsync<ControlException>(
            () => ControlSocket.ListenAsync(ControlProtocol.SocketPath(first.Directory), CancellationToken.None));
        await using var second = await ControlledAgent.StartInAsync(first.Directory);

        Assert.Contains("another process is answering there", failure.Message, StringComparison.Ordinal);
        await second.StopAsync();
        using var client = await first.ClientAsync();
    }

    [Fact]
    public async Task A_file_that_is_no_socket_is_left_alone()
    {
        var directory = Directory.CreateTempSubdirectory("control-").FullName;
        await File.WriteAllTextAsync(ControlProtocol.SocketPath(directory), "mine");

        await using var agent = await ControlledAgent.StartInAsync(directory);

        Assert.Equal("mine", await File.ReadAllTextAsync(ControlProtocol.SocketPath(directory)));
    }

    [Fact]
    public async Task A_state_directory_too_deep_for_a_socket_is_named()
    {
        var failure = await Assert.ThrowsAsync<ControlException>(
            () => ControlSocket.ListenAsync(ControlProtocol.SocketPath("/tmp/" + new string('d', 100)), CancellationToken.None));

        Assert.Contains("longer than the 107 bytes", failure.Message, StringComparison.Ordinal);
        Assert.Contains("set stateDirectory", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_socket_goes_with_its_agent()
    {
        var agent = await ControlledAgent.StartAsync();
        using var client = await agent.ClientAsync();

        await agent.DisposeAsync();

        Assert.False(File.Exists(ControlProtocol.SocketPath(agent.Directory)));
        await Assert.ThrowsAsync<IOException>(() => client.AskAsync(ControlRequests.Options, new OptionsArguments([]), CancellationToken.None));
    }

    private sealed class Failing : IControlFeature
    {
        public void Register(ControlHandlers handlers) =>
            handlers.On(ControlRequests.Reset, (_, _, _) => throw new InvalidOperationException("out of order"));
    }
}
