using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Configuration;
using Sockwatch.Exporters;
using Sockwatch.Kernel;

namespace Sockwatch.Commands;

/// <summary><c>sockwatch trace</c>: records as they happen, one per line.</summary>
internal static class TraceCommand
{
    private const int QueueLength = 65_536;
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(2);

    public static Command Create(CommandContext context)
    {
        var config = CommandOptions.Config();
        var logLevel = CommandOptions.For("--log-level", "LEVEL", "trace, debug, info, warn or error (default warn)");
        var pids = CommandOptions.Several("--pid", "PID", "Only this process", "a process id", Id);
        var executables = CommandOptions.Several("--exe", "NAME", "Only this executable, by name or full path", "a name", text => text.Length > 0 ? text : null);
        var uids = CommandOptions.Several("--uid", "UID", "Only this user", "a user id", Id);
        var ports = CommandOptions.Several("--port", "PORT", "Only this port, on either side", "a port from 1 to 65535", Port);
        var networks = CommandOptions.Several("--cidr", "CIDR", "Only addresses in this network, on either side", "a network such as 10.0.0.0/8 or fd00::/8, or an address", Network);
        var operations = CommandOptions.Several("--operation", "NAME", "Only connect, accept, send, recv or release", "connect, accept, send, recv or release", Operation);
        var transports = CommandOptions.Several("--protocol", "NAME", "Only tcp or udp", "tcp or udp", Transport);
        var json = new Option<bool>("--json") { Description = "Print flow-log records as JSON" };
        var count = new Option<long?>("--count")
        {
            Description = "End after this many lines",
            HelpName = "N",
            CustomParser = result =>
            {
                if (long.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var lines) && lines > 0)
                {
                    return lines;
                }

                result.AddError(CommandOptions.Expected("--count", result, "a whole number above 0"));
                return null;
            },
        };
        var duration = CommandOptions.Duration("--for", "End after this time", TimeSpan.FromMilliseconds(1));
        var command = new Command("trace", "Print connects, accepts, releases and changes of UDP peers as they happen")
        {
            pids, executables, uids, ports, networks, operations, transports, json, count, duration, config, logLevel,
        };

        command.SetAction((parsed, stopping) =>
        {
            var configuration = CommandOptions.Load(parsed, context, config, logLevel);
            if (configuration["log:level"] is null)
            {
                // Lines of the log between lines of the trace would only confuse.
                configuration["log:level"] = "Warning";
            }

            var filter = new TraceFilter
            {
                Pids = Unboxed<uint>(parsed.GetValue(pids)),
                Executables = parsed.GetValue(executables) ?? [],
                Uids = Unboxed<uint>(parsed.GetValue(uids)),
                Ports = Unboxed<ushort>(parsed.GetValue(ports)),
                Networks = Unboxed<IPNetwork>(parsed.GetValue(networks)),
                Operations = Unboxed<SocketOperation>(parsed.GetValue(operations)),
                Transports = Unboxed<byte>(parsed.GetValue(transports)),
            };
            return TraceAsync(context, configuration, filter, parsed.GetValue(json), parsed.GetValue(count) ?? long.MaxValue, parsed.GetValue(duration), stopping);
        });
        return command;
    }

    private static async Task<int> TraceAsync(
        CommandContext context,
        IConfiguration configuration,
        TraceFilter filter,
        bool json,
        long maxLines,
        TimeSpan? duration,
        CancellationToken stopping)
    {
        var failedWith = 0;
        var outputFailed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        FlowLogWriter? writer = null;
        using var host = context.Composition.Trace(configuration, naming =>
        {
            var clock = new BootClock();
            IFlowLineFormat format = json
                ? new FlowLogJson(naming, clock, new FlowLogIdentity(context.Paths))
                : new TraceLine(naming, clock);
            writer = new FlowLogWriter(new FilteredFormat(format, filter, naming), context.RecordOutput(), QueueLength, maxLines)
            {
                OutputChanged = errno =>
                {
                    failedWith = errno;
                    outputFailed.TrySetResult();
                },
            };
            writer.Start();
            return writer;
        });

        try
        {
            await AgentHost.RunAsync(host, WaitAsync, stopping).ConfigureAwait(false);
        }
        finally
        {
            if (writer is not null)
            {
                await writer.StopAsync(StopPatience).ConfigureAwait(false);
                writer.Dispose();
            }
        }

        // A reader such as head(1) that has enough is no failure.
        if (failedWith is not (0 or LibC.Epipe))
        {
            throw new CommandFailedException($"cannot write to standard output: {Marshal.GetPInvokeErrorMessage(failedWith)}");
        }

        if (writer is { QueueFull: > 0 })
        {
            context.Terminal.Error.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"sockwatch: {writer.QueueFull} records were lost because they came faster than they could be printed"));
        }

        return ExitCode.Done;

        async Task WaitAsync(CancellationToken ending)
        {
            var end = duration is { } limit ? Task.Delay(limit, context.Time, ending) : Task.Delay(Timeout.Infinite, ending);
            var first = await Task.WhenAny(end, writer?.Finished ?? end, outputFailed.Task).ConfigureAwait(false);
            await first.ConfigureAwait(false);
        }
    }

    // Options of several values parse to references, so that null can say no.
    private static List<T> Unboxed<T>(object[]? values) => [.. (values ?? []).Cast<T>()];

    private static object? Id(string text) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : null;

    private static object? Port(string text) =>
        ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port > 0 ? port : null;

    private static object? Network(string text)
    {
        if (IPNetwork.TryParse(text, out var network))
        {
            return network;
        }

        return IPAddress.TryParse(text, out var address)
            ? new IPNetwork(address, address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? 128 : 32)
            : null;
    }

    private static object? Operation(string text) => text.ToUpperInvariant() switch
    {
        "CONNECT" => SocketOperation.Connect,
        "ACCEPT" => SocketOperation.Accept,
        "SEND" => SocketOperation.Send,
        "RECV" => SocketOperation.Recv,
        "RELEASE" => SocketOperation.Release,
        _ => null,
    };

    private static object? Transport(string text) => text.ToUpperInvariant() switch
    {
        "TCP" => TransportProtocol.Tcp,
        "UDP" => TransportProtocol.Udp,
        _ => null,
    };
}
