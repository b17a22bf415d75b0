using Microsoft.Extensions.Configuration;
using Sockwatch.Commands;
using Sockwatch.Kernel;
using Sockwatch.Payload;
using Sockwatch.Tests.Exporters;
using Xunit;

namespace Sockwatch.Tests.Commands;

public class TraceCommandTests
{
    private static readonly FlowRecord[] Records =
    [
        FlowLogSamples.Tcp(RecordKind.FlowStart),
        FlowLogSamples.Udp(RecordKind.PeerChanged),
        FlowLogSamples.Tcp(RecordKind.FlowEnd, operation: SocketOperation.Release),
    ];

    [Fact]
    public async Task Prints_each_operation_until_the_time_is_over()
    {
        using var run = Run(Records);

        Assert.Equal(ExitCode.Done, await run.InvokeAsync("trace", "--for", "100ms"));
        Assert.Equal(["CONNECT", "SEND", "RELEASE"], Operations(run));
        Assert.Equal("", run.Error);
    }

    [Fact]
    public async Task Ends_after_the_lines_asked_for()
    {
        using var run = Run(Records);

        Assert.Equal(ExitCode.Done, await run.InvokeAsync("trace", "--count", "2"));
        Assert.Equal(["CONNECT", "SEND"], Operations(run));
    }

    [Fact]
    public async Task Ends_when_asked_to()
    {
        using var run = Run(Records);

        var running = run.InvokeAsync("trace");
        await run.Stopping.CancelAsync();

        Assert.Equal(ExitCode.Done, await running);
    }

    [Theory]
    [InlineData("CONNECT RELEASE", "--protocol", "tcp")]
    [InlineData("SEND", "--protocol", "UDP")]
    [InlineData("CONNECT RELEASE", "--pid", "15455")]
    [InlineData("CONNECT SEND RELEASE", "--pid", "15455", "--pid", "77")]
    [InlineData("SEND", "--uid", "0")]
    [InlineData("CONNECT RELEASE", "--port", "443")]
    [InlineData("SEND", "--port", "5353")]
    [InlineData("SEND", "--cidr", "192.0.2.0/24")]
    [InlineData("CONNECT RELEASE", "--cidr", "172.16.231.199")]
    [InlineData("CONNECT", "--operation", "connect")]
    [InlineData("SEND RELEASE", "--operation", "send", "--operation", "release")]
    [InlineData("CONNECT SEND RELEASE", "--exe", "curl")]
    [InlineData("CONNECT SEND RELEASE", "--exe", "/usr/bin/curl")]
    [InlineData("", "--exe", "/bin/curl")]
    [InlineData("", "--pid", "15455", "--protocol", "udp")]
    public async Task Shows_only_what_the_filters_accept(string operations, params string[] filter)
    {
        using var run = Run(Records);

        await run.InvokeAsync(["trace", "--for", "50ms", .. filter]);

        Assert.Equal(operations, string.Join(' ', Operations(run)));
    }

    [Theory]
    [InlineData("--payload prints what programs send: expected --pid, --exe, --uid, --container, --namespace, --port or --cidr to say whose, or --all", "--payload")]
    [InlineData("--payload prints what programs send: expected --pid, --exe, --uid, --container, --namespace, --port or --cidr to say whose, or --all", "--payload", "--protocol", "tcp")]
    [InlineData("--payload is \"much\"; expected a size from 1 to 1MiB, such as 64MiB", "--payload=much", "--all")]
    [InlineData("--all is about payload; expected --payload with it", "--all")]
    [InlineData("--redact is about payload; expected --payload with it", "--redact", "x")]
    [InlineData("--redact is \"(\"; expected a regular expression in ASCII, without lookaround and backreferences (see sockwatch trace --help)", "--payload", "--all", "--redact", "(")]
    public async Task Payload_is_printed_only_of_who_is_named(string expected, params string[] switches)
    {
        using var run = Run(Records);

        Assert.Equal(ExitCode.Usage, await run.InvokeAsync(["trace", .. switches]));
        Assert.Equal($"sockwatch: {expected}\n", run.Error);
    }

    [Theory]
    [InlineData("16384", "client", "--payload", "--pid", "7")]
    [InlineData("4096", "client", "--payload=4KiB", "--all")]
    public async Task Payload_switches_are_settings(string limit, string direction, params string[] switches)
    {
        using var run = Run(Records);

        Assert.Equal(ExitCode.Done, await run.InvokeAsync(["trace", "--for", "50ms", .. switches]));
        var options = run.Composition.Configuration!.GetSection("Payload").Get<PayloadOptions>()!;
        Assert.Equal((limit, direction), ($"{options.Limit}", options.Direction.ToString().ToLowerInvariant()));
        Assert.True(options.All);
    }

    [Fact]
    public async Task Prints_flow_records_as_json()
    {
        using var run = Run(Records);

        Assert.Equal(ExitCode.Done, await run.InvokeAsync("trace", "--json", "--count", "2"));
        Assert.Contains("\"event.name\":\"flow.start\"", run.Records.Text, StringComparison.Ordinal);
        Assert.Contains("\"event.name\":\"flow.end\"", run.Records.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_reader_that_has_enough_is_no_failure()
    {
        using var run = new CommandRun { Composition = new FakeComposition { Records = Records }, Records = new FakeOutput { Errno = LibC.Epipe } };

        Assert.Equal(ExitCode.Done, await run.InvokeAsync("trace"));
        Assert.Equal("", run.Error);
    }

    [Fact]
    public async Task A_full_disk_is_a_failure()
    {
        using var run = new CommandRun { Composition = new FakeComposition { Records = Records }, Records = new FakeOutput { Errno = 28 } };

        Assert.Equal(ExitCode.Failed, await run.InvokeAsync("trace"));
        Assert.Equal("sockwatch: cannot write to standard output: No space left on device\n", run.Error);
    }

    private static CommandRun Run(FlowRecord[] records) => new() { Composition = new FakeComposition { Records = records } };

    private static string[] Operations(CommandRun run) =>
        [.. run.Records.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ')[1])];
}
