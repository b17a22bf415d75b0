using System.Collections;
using System.Text.Json;
using Sockwatch.Commands;
using Sockwatch.Control;
using Sockwatch.Kernel;
using Sockwatch.Tests.Control;
using Sockwatch.Tests.Exporters;

namespace Sockwatch.Tests.Commands;

public sealed class CtlTests
{
    [Fact]
    public async Task Hello_says_who_is_there()
    {
        await using var agent = await ControlledAgent.StartAsync();

        var (code, output, errors) = await RunAsync(agent, "hello");

        Assert.Equal((ExitCode.Done, ""), (code, errors));
        Assert.Contains($"pid       {Environment.ProcessId}\n", output, StringComparison.Ordinal);
        Assert.Contains("offers    dump hello options trace\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Options_are_shown_and_changed()
    {
        await using var agent = await ControlledAgent.StartAsync();

        var (code, output, _) = await RunAsync(agent, "options", "filters.ignoreIpv6=true");

        Assert.Equal(ExitCode.Done, code);
        Assert.Equal(
            "KEY                 VALUE           ACCEPTS\n" +
            "filters.ignoreIpv6  true   changed  true or false\n" +
            "log.level           info            trace, debug, info, warn or error\n",
            output);
        Assert.True(agent.Switches.IgnoreIpv6);
    }

    [Fact]
    public async Task The_books_are_tables_or_json()
    {
        await using var agent = await ControlledAgent.StartAsync();
        agent.Totals.Executables[5] = "/usr/bin/curl";
        agent.Totals.Cgroups[6] = "/system.slice/evil\u001b[2J";
        agent.Books.AllProcesses.Add((4711, new ProcessIdentity { ExecutableId = 5, CgroupId = 6, ParentPid = 1 }));
        agent.Books.AllSockets.Add(FlowLogSamples.Tcp(RecordKind.FlowUpdate));

        var (_, text, _) = await RunAsync(agent, "dump", "processes");
        var (_, json, _) = await RunAsync(agent, "dump", "--json");

        Assert.Equal(
            "processes\n" +
            " PID  PARENT  STARTED  EXECUTABLE     CGROUP\n" +
            "4711       1           /usr/bin/curl  /system.slice/evil\uFFFD[2J\n",
            text);
        using var books = JsonDocument.Parse(json);
        Assert.Equal(
            ["processes", "sockets", "maps", "limits", "losses", "hooks", "programs", "options"], books.RootElement.EnumerateObject().Select(section => section.Name));
        Assert.Equal(4711, books.RootElement.GetProperty("processes")[0].GetProperty("pid").GetInt32());
        Assert.Equal(1234, books.RootElement.GetProperty("sockets")[0].GetProperty("sent").GetInt64());
    }

    [Fact]
    public async Task Long_books_come_in_parts_and_are_cut_where_asked()
    {
        await using var agent = await ControlledAgent.StartAsync();
        for (uint pid = 1; pid <= 5_000; pid++)
        {
            agent.Books.AllProcesses.Add((pid, default));
        }

        var (_, all, _) = await RunAsync(agent, "dump", "processes", "--rows", "60000");
        var (_, cut, _) = await RunAsync(agent, "dump", "processes", "--rows", "300");

        Assert.Equal(5_002, all.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Equal(303, cut.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.EndsWith("--rows shows them\n", cut, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sockwatch: there is no section shoes; expected some of processes, sockets, maps, limits, losses, hooks, programs, options\n", "dump", "shoes")]
    [InlineData("sockwatch: log.level is \"loud\"; expected trace, debug, info, warn or error\n", "options", "log.level=loud")]
    [InlineData("sockwatch: this agent does not offer reset\n", "reset")]
    [InlineData("sockwatch: a section of a dump has from 1 to 65536 rows\n", "dump", "--rows", "70000")]
    public async Task What_the_agent_refuses_is_one_line(string error, params string[] arguments)
    {
        await using var agent = await ControlledAgent.StartAsync();

        var (code, _, errors) = await RunAsync(agent, arguments);

        Assert.Equal((ExitCode.Failed, error), (code, errors));
    }

    [Theory]
    [InlineData("sockwatch: \"log.level\" is no change; expected KEY=VALUE, such as log.level=debug (see sockwatch ctl options --help)\n", "options", "log.level")]
    [InlineData("sockwatch: PID is \"zero\"; expected a process id (see sockwatch ctl limit --help)\n", "limit", "zero")]
    [InlineData("sockwatch: NETWORK is \"10.0.0.0/33\"; expected an address, or a network such as 10.0.0.0/8 or fd00::/8 (see sockwatch ctl verdict remove --help)\n", "verdict", "remove", "10.0.0.0/33")]
    public async Task Bad_usage_never_reaches_the_agent(string error, params string[] arguments)
    {
        using var run = new CommandRun();

        Assert.Equal(ExitCode.Usage, await run.InvokeAsync(["ctl", .. arguments]));
        Assert.Equal(error, run.Error);
    }

    [Fact]
    public async Task Without_an_agent_it_says_where_it_looked()
    {
        using var run = new CommandRun();

        Assert.Equal(ExitCode.Failed, await run.InvokeAsync("ctl", "hello"));
        Assert.StartsWith("sockwatch: no agent answers at /nonexistent/sockwatch/control.sock: start one", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Limits_and_verdicts_reach_whoever_keeps_them()
    {
        var keeper = new Keeper();
        await using var agent = await ControlledAgent.StartAsync(more: keeper);

        await RunAsync(agent, "limit", "4711", "--sockets", "5", "--time", "1m");
        await RunAsync(agent, "limit", "4711");
        await RunAsync(agent, "forget", "4711");
        await RunAsync(agent, "verdict", "add", "203.0.113.0/24", "detect", "--classification", "7", "--name", "botnet", "--ttl", "1h");
        await RunAsync(agent, "verdict", "remove", "203.0.113.0/24");
        var (_, list, _) = await RunAsync(agent, "verdict", "list");
        var (_, json, _) = await RunAsync(agent, "verdict", "list", "--json");

        Assert.Equal(
            [
                new LimitArguments(4711, 5, 60), new LimitArguments(4711), new ForgetArguments(4711),
                new VerdictEntry("203.0.113.0/24", "detect", 7, "botnet", 3600), new VerdictRemoveArguments("203.0.113.0/24"),
            ],
            keeper.Heard);
        Assert.Equal(
            "NETWORK       VERDICT  CLASSIFICATION  NAME  TIME LEFT\n" +
            "198.51.100.1  allow    0                     1m30s\n",
            list);
        Assert.Equal("{\"network\":\"198.51.100.1\",\"verdict\":\"allow\",\"classification\":0,\"name\":\"\",\"seconds\":89.5}\n", json);
    }

    private static async Task<(int Code, string Output, string Errors)> RunAsync(ControlledAgent agent, params string[] arguments)
    {
        using var run = new CommandRun { Environment = new Hashtable { ["SOCKWATCH__STATEDIRECTORY"] = agent.Directory } };
        return (await run.InvokeAsync(["ctl", .. arguments]), run.Output, run.Error);
    }

    private sealed class Keeper : IControlFeature
    {
        public List<object> Heard { get; } = [];

        public void Register(ControlHandlers handlers)
        {
            handlers.On(ControlRequests.Limit, Hear);
            handlers.On(ControlRequests.Forget, Hear);
            handlers.On(ControlRequests.VerdictAdd, Hear);
            handlers.On(ControlRequests.VerdictRemove, Hear);
            handlers.On(ControlRequests.VerdictList, async (_, stream, cancellation) =>
            {
                await stream.SendAsync(new VerdictEntry("198.51.100.1", "allow", 0, "", 89.5), cancellation);
                return new Done();
            });
        }

        private ValueTask<Done> Hear<T>(T arguments, ControlPeer peer, CancellationToken cancellation)
        {
            Heard.Add(arguments!);
            return ValueTask.FromResult(new Done());
        }
    }
}
