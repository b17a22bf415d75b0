using Microsoft.Extensions.Hosting;
using Sockwatch.Commands;
using Xunit;

namespace Sockwatch.Tests.Commands;

public class CommandLineTests
{
    [Theory]
    [InlineData("sockwatch: no command; expected run, trace, top, ctl or doctor (see sockwatch --help)")]
    [InlineData("sockwatch: unknown argument runn; did you mean run? (see sockwatch --help)", "runn")]
    [InlineData("sockwatch: unknown option --lisen; did you mean --listen? (see sockwatch run --help)", "run", "--lisen", ":1")]
    [InlineData("sockwatch: unknown argument @file (see sockwatch run --help)", "run", "@file")]
    [InlineData("sockwatch: unknown argument a\uFFFD[31m (see sockwatch trace --help)", "trace", "a\e[31m")]
    [InlineData("sockwatch: --pid is \"x\"; expected a process id (see sockwatch trace --help)", "trace", "--pid", "x")]
    [InlineData("sockwatch: --port is \"0\"; expected a port from 1 to 65535 (see sockwatch trace --help)", "trace", "--port", "0")]
    [InlineData("sockwatch: --cidr is \"10.0.0.0/99\"; expected a network such as 10.0.0.0/8 or fd00::/8, or an address (see sockwatch trace --help)", "trace", "--cidr", "10.0.0.0/99")]
    [InlineData("sockwatch: --operation is \"write\"; expected connect, accept, send, recv, release or detect (see sockwatch trace --help)", "trace", "--operation", "write")]
    [InlineData("sockwatch: --protocol is \"icmp\"; expected tcp or udp (see sockwatch trace --help)", "trace", "--protocol", "icmp")]
    [InlineData("sockwatch: --count is \"-1\"; expected a whole number above 0 (see sockwatch trace --help)", "trace", "--count", "-1")]
    [InlineData("sockwatch: --for is \"10\"; expected a duration of at least 1ms, such as 10s or 1m30s (see sockwatch trace --help)", "trace", "--for", "10")]
    [InlineData("sockwatch: --sort is \"1\"; expected bytes, sent, received, open, connections or failures (see sockwatch top --help)", "top", "--sort", "1")]
    [InlineData("sockwatch: --listen is \"nowhere\"; expected ADDRESS:PORT such as 127.0.0.1:9807 or [::1]:9807, or :PORT for every address", "run", "--listen", "nowhere")]
    [InlineData("sockwatch: configuration file /nonexistent.yaml does not exist", "run", "--config", "/nonexistent.yaml")]
    public async Task Bad_usage_is_one_line_and_exit_code_2(string error, params string[] arguments)
    {
        using var run = new CommandRun();

        Assert.Equal(ExitCode.Usage, await run.InvokeAsync(arguments));
        Assert.Equal(error + "\n", run.Error);
        Assert.Equal("", run.Output);
    }

    [Fact]
    public async Task A_missing_value_is_one_line_and_exit_code_2()
    {
        using var run = new CommandRun();

        Assert.Equal(ExitCode.Usage, await run.InvokeAsync("run", "--listen"));
        Assert.Matches("^sockwatch: [^\n]*--listen[^\n]*\n$", run.Error);
    }

    [Fact]
    public async Task A_bad_variable_is_exit_code_2()
    {
        using var run = new CommandRun { Environment = { ["SOCKWATCH__LOG__LEVL"] = "info" } };

        Assert.Equal(ExitCode.Usage, await run.InvokeAsync("run"));
        Assert.Equal("sockwatch: environment variable SOCKWATCH__LOG__LEVL: unknown key; the nearest known one is SOCKWATCH__LOG__LEVEL\n", run.Error);
    }

    [Theory]
    [InlineData("sockwatch run --listen :9807")]
    [InlineData("sockwatch run --flow-log - --format json", "run")]
    [InlineData("sockwatch trace --exe curl --operation connect", "trace")]
    [InlineData("sockwatch top --once", "top")]
    [InlineData("sockwatch doctor --json", "doctor")]
    public async Task Help_shows_examples(string example, params string[] command)
    {
        using var run = new CommandRun();

        Assert.Equal(ExitCode.Done, await run.InvokeAsync([.. command, "--help"]));
        Assert.Contains("Usage:", run.Output, StringComparison.Ordinal);
        Assert.Contains(command.Length == 0 ? "sockwatch doctor" : example, run.Output, StringComparison.Ordinal);
        Assert.Equal("", run.Error);
    }

    [Fact]
    public async Task Shows_its_version()
    {
        using var run = new CommandRun();

        Assert.Equal(ExitCode.Done, await run.InvokeAsync("--version"));
        Assert.Matches(@"^sockwatch \d+\.\d+\.\d+", run.Output);
    }

    [Fact]
    public async Task Switches_reach_the_configuration()
    {
        using var run = new CommandRun();
        await run.Stopping.CancelAsync();

        await run.InvokeAsync("run", "--listen", ":1", "--flow-log", "none", "--format", "text", "--interval", "2s", "--log-level", "warn");

        Assert.Equal(":1", run.Composition.Configuration!["Http:Listen"]);
        Assert.Equal("none", run.Composition.Configuration["FlowLog:Target"]);
        Assert.Equal("text", run.Composition.Configuration["FlowLog:Format"]);
        Assert.Equal("00:00:02", run.Composition.Configuration["Collection:Interval"]);
        Assert.Equal("Warning", run.Composition.Configuration["Log:Level"]);
    }

    [Fact]
    public async Task The_agent_ends_cleanly_when_asked_to()
    {
        using var run = new CommandRun();

        var running = run.InvokeAsync("run", "--log-level", "error");
        await run.Stopping.CancelAsync();

        Assert.Equal(ExitCode.Done, await running);
        Assert.Equal("", run.Error);
    }

    [Fact]
    public async Task A_stage_that_cannot_start_is_one_line_and_exit_code_1()
    {
        using var run = new CommandRun { Composition = new FakeComposition { Stage = new StageThatCannotStart() } };

        Assert.Equal(ExitCode.Failed, await run.InvokeAsync("run"));
        Assert.Equal("sockwatch: port 9807 is in use use --listen\n", run.Error);
    }

    [Fact]
    public async Task A_stage_that_fails_later_ends_the_agent_with_exit_code_1()
    {
        using var stage = new StageThatFails();
        using var run = new CommandRun { Composition = new FakeComposition { Stage = stage } };

        Assert.Equal(ExitCode.Failed, await run.InvokeAsync("run"));
        Assert.Equal("sockwatch: the ring is gone\n", run.Error);
    }

    private sealed class StageThatCannotStart : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => throw new IOException("port 9807 is in use\nuse --listen");

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }

    private sealed class StageThatFails : BackgroundService
    {
        protected override async Task ExecuteAsync(CancellationToken stoppingToken)
        {
            await Task.Yield();
            throw new InvalidOperationException("the ring is gone");
        }
    }
}
