using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Sockwatch.Aggregation;
using Sockwatch.Configuration;
using Sockwatch.Control;
using Sockwatch.Control.Dump;
using Sockwatch.Control.Features;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters.Trace;
using Sockwatch.Kernel;
using Sockwatch.Tests.Fakes;

namespace Sockwatch.Tests.Control;

/// <summary>An agent's control socket, real, over stages without a kernel. Its clients need not be root.</summary>
internal sealed class ControlledAgent : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly ControlServer _server;
    private readonly DumpControl _dump;

    private ControlledAgent(string directory, ControlOptions options, ControlPatience patience, TraceSource source, bool letsIn, IControlFeature[] more)
    {
        Directory = directory;
        var use = new ControlUse(Options.Create(options));
        var log = new LogSwitch(Microsoft.Extensions.Logging.LogLevel.Information);
        RunTimeOption[] changeable =
        [
            new("log.level", () => ValueRule.Word(log.Level), value => log.Level = Enum.Parse<Microsoft.Extensions.Logging.LogLevel>(value)),
            FilterOptions.RunTime("filters.ignoreIpv6", Switches, kernel => kernel.IgnoreIpv6, (kernel, on) => kernel.IgnoreIpv6 = on),
        ];
        var reports = new FixedReport(TrafficReport.Empty);
        Traces = new TraceControl(source, Options.Create(options), use, Losses, TimeProvider.System);
        var clock = new BootClock();
        _dump = new DumpControl(
            [
                new ProcessDump(Books, Totals, clock), new SocketDump(Books, Totals, clock), new MapDump(reports), new LimitDump(reports, use),
                new LossDump(Losses, new CacheLedger(), Refusals), new HookDump(new HookState()), new ProgramDump(reports), new OptionDump(changeable),
            ],
            reports);
        Use = use;
        _server = new ControlServer(
            [
                new HelloControl(BuildInfo.Current, TimeProvider.System), new OptionsControl(changeable, NullLogger<OptionsControl>.Instance),
                Traces, _dump, .. more,
            ],
            new ControlHandlers(), Refusals, use, Options.Create(new AgentOptions { StateDirectory = directory }), NullLogger<ControlServer>.Instance)
        {
            IsAllowed = _ => letsIn,
            Patience = patience,
        };
    }

    public string Directory { get; }

    public FakeSwitches Switches { get; } = new();

    public FakeKernelTotals Totals { get; } = new();

    public FakeBooks Books { get; } = new();

    public LossLedger Losses { get; } = new();

    public ControlRefusals Refusals { get; } = new();

    public TraceControl Traces { get; }

    public ControlUse Use { get; }

    public static Task<ControlledAgent> StartAsync(
        ControlOptions? options = null, ControlPatience? patience = null, bool letsIn = true, params IControlFeature[] more) =>
        StartInAsync(System.IO.Directory.CreateTempSubdirectory("control-").FullName, null, options, patience, letsIn, more);

    public static async Task<ControlledAgent> StartInAsync(
        string directory, FakeSwitches? switches = null, ControlOptions? options = null, ControlPatience? patience = null, bool letsIn = true, params IControlFeature[] more)
    {
        var totals = new FakeKernelTotals();
        var agent = new ControlledAgent(
            directory, options ?? new ControlOptions(), patience ?? new ControlPatience(), Some.TraceSource(switches ?? new FakeSwitches(), totals: totals), letsIn, more);
        await agent._server.StartAsync(CancellationToken.None);
        return agent;
    }

    public long Refused(string reason) => Refusals.Read().First(refusal => refusal.Reason == reason).Count;

    public Task StopAsync() => _server.StopAsync(CancellationToken.None);

    /// <summary>A connection that speaks bytes.</summary>
    public async Task<RawClient> ConnectAsync()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        while (true)
        {
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(ControlProtocol.SocketPath(Directory)));
                return new RawClient(socket);
            }
            catch (SocketException failure) when (failure.SocketErrorCode == SocketError.WouldBlock)
            {
                await Task.Delay(1); // more than the kernel lets wait
            }
        }
    }

    public async Task<ControlClient> ClientAsync() =>
        await ControlClient.TryConnectAsync(Directory, CancellationToken.None) ?? throw new InvalidOperationException("No agent answers.");

    public static async Task UntilAsync(Func<bool> condition)
    {
        var deadline = DateTime.UtcNow + Patience;
        while (!condition())
        {
            Assert.True(DateTime.UtcNow < deadline, "the condition was not met in time");
            await Task.Delay(5);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _server.Dispose();
        _dump.Dispose();
    }
}

internal sealed class RawClient(Socket socket) : IDisposable
{
    public const string Hello = """{"name":"hello","arguments":{"version":1,"client":"test"}}""";

    public Socket Socket => socket;

    public Task SayAsync(string json) => SendAsync(Frame('Q', Encoding.UTF8.GetBytes(json)));

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            bytes = bytes[await socket.SendAsync(bytes)..];
        }
    }

    public static byte[] Frame(char kind, ReadOnlySpan<byte> body)
    {
        var frame = new byte[body.Length + 5];
        BinaryPrimitives.WriteUInt32BigEndian(frame, (uint)body.Length + 1);
        frame[4] = (byte)kind;
        body.CopyTo(frame.AsSpan(5));
        return frame;
    }

    /// <summary>Kind and body of the next frame; "" when the agent has closed.</summary>
    public async Task<string> HearAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        var header = new byte[5];
        if (!await FillAsync(header, limit.Token))
        {
            return "";
        }

        var body = new byte[BinaryPrimitives.ReadUInt32BigEndian(header) - 1];
        return await FillAsync(body, limit.Token) ? (char)header[4] + Encoding.UTF8.GetString(body) : "";
    }

    public void Dispose() => socket.Dispose();

    private async Task<bool> FillAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        try
        {
            while (buffer.Length > 0)
            {
                var received = await socket.ReceiveAsync(buffer, cancellation);
                if (received == 0)
                {
                    return false;
                }

                buffer = buffer[received..];
            }

            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
