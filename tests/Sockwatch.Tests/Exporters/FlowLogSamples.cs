using System.Buffers;
using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Sockwatch.Aggregation;
using Sockwatch.Exporters;
using Sockwatch.Kernel;
using Sockwatch.Verdicts;

namespace Sockwatch.Tests.Exporters;

/// <summary>Records, names and a clock that are always the same.</summary>
internal static class FlowLogSamples
{
    public const ulong At = 1_000_123_456_789;

    public static FlowRecord Tcp(
        RecordKind kind,
        NetworkRole role = NetworkRole.Client,
        SocketOperation operation = SocketOperation.Connect,
        ushort error = 0,
        FlowEndReason endReason = FlowEndReason.None,
        uint pid = 15455,
        string peer = "93.184.216.34",
        string local = "172.16.231.199",
        ulong startedAtNs = At - 1_200_000_000,
        ulong bytesSent = 1_234,
        ulong bytesReceived = 34_000,
        ulong reportedBytesSent = 0,
        ulong reportedBytesReceived = 0) => new()
        {
            AtNs = At,
            StartedAtNs = startedAtNs,
            SocketCookie = 72_398_988_640_259,
            BytesSent = bytesSent,
            BytesReceived = bytesReceived,
            ReportedBytesSent = reportedBytesSent,
            ReportedBytesReceived = reportedBytesReceived,
            Sends = 3,
            Receives = 7,
            ConnectDurationNs = role == NetworkRole.Client ? 12_300_000UL : 0,
            Edge = Edge(TransportProtocol.Tcp, role, peer),
            Pid = pid,
            Uid = 500,
            ParentPid = 1,
            RttUs = 850,
            Retransmits = 2,
            LocalPort = 32_965,
            RemotePort = 443,
            LocalAddress = Address16.Parse(local),
            Error = error,
            Kind = kind,
            EndReason = endReason,
            Attribution = FlowAttribution.Exact,
            Operation = operation,
        };

    public static FlowRecord Udp(RecordKind kind, SocketOperation operation = SocketOperation.Send, string peer = "192.0.2.53", string local = "0.0.0.0") => new()
    {
        AtNs = At,
        StartedAtNs = At - 5_000_000,
        SocketCookie = 42,
        BytesSent = 40,
        Sends = 1,
        Edge = Edge(TransportProtocol.Udp, NetworkRole.Client, peer),
        Pid = 77,
        Uid = 0,
        LocalPort = 5_353,
        RemotePort = 53,
        LocalAddress = Address16.Parse(local),
        Kind = kind,
        Attribution = FlowAttribution.Exact,
        Operation = operation,
    };

    public static FlowRecord Plain(ulong cookie, ulong bytesSent = 0) => new()
    {
        AtNs = At,
        StartedAtNs = At,
        SocketCookie = cookie,
        BytesSent = bytesSent,
        Edge = Edge(TransportProtocol.Tcp, NetworkRole.Client, "192.0.2.1"),
        Kind = RecordKind.FlowUpdate,
    };

    public static string Line(IFlowLineFormat format, in FlowRecord record)
    {
        var lines = new ArrayBufferWriter<byte>();
        return format.TryWrite(in record, lines) ? Encoding.UTF8.GetString(lines.WrittenSpan) : "";
    }

    public static FlowLog FlowLog(IFlowLogOutput output, FlowLogOptions options) => new(
        new FlowLogJson(new FakeNaming(), Clock(), new FlowLogIdentity(new HostPaths())), output, Options.Create(options), NullLogger<FlowLog>.Instance);

    public static BootClock Clock() => new FixedClock();

    private static EdgeKey Edge(byte transport, NetworkRole role, string peer)
    {
        var address = Address16.Parse(peer);
        return new EdgeKey
        {
            CgroupId = 5,
            ExecutableId = 9,
            PeerAddress = address,
            ServerPort = 443,
            Role = role,
            Transport = transport,
            NetworkType = (byte)(address.IsIPv4 ? 4 : 6),
        };
    }

    private sealed class FixedClock : BootClock
    {
        private static readonly long AtUnixNs =
            ((DateTimeOffset.Parse("2026-11-23T10:15:02Z", CultureInfo.InvariantCulture).UtcTicks - DateTime.UnixEpoch.Ticks) * 100) + 123_456_789;

        public override long ToUnixNs(ulong bootNs) => AtUnixNs + (long)bootNs - (long)At;
    }
}

internal sealed class FakeNaming : IFlowNaming
{
    public string? Path { get; init; } = "/usr/bin/curl";

    public string Executable { get; init; } = "curl";

    public string? Container { get; init; } = "0123456789ab";

    public string PeerName { get; init; } = "";

    public EdgeAttributes Name(in FlowRecord record) => new(
        "", "Process", Executable, Executable, "client", "public", "", PeerName.Length > 0 ? "Cidr" : "", PeerName, "443", "tcp", "ipv4");

    public string? ExecutablePath(ulong id) => Path;

    public string? ContainerId(ulong cgroupId) => Container;

    public PodNames? Pod(ulong cgroupId) => null;

    public Detection? Listed { get; init; } = new(7, "Bad Example");

    public Detection? Detection(int number) => Listed;
}

/// <summary>Keeps what is written; fails or stalls when told to.</summary>
internal sealed class FakeOutput : IFlowLogOutput
{
    private readonly StringBuilder _text = new();
    private readonly ManualResetEventSlim _open = new(true);

    public string Name => "somewhere";

    public int Errno { get; set; }

    /// <summary>Bytes that still fit before <see cref="Errno"/>.</summary>
    public int Room { get; set; }

    public string Text
    {
        get
        {
            lock (_text)
            {
                return _text.ToString();
            }
        }
    }

    public void Stall() => _open.Reset();

    public void Continue() => _open.Set();

    public int Write(ReadOnlySpan<byte> data, out int errno)
    {
        _open.Wait();
        errno = Errno;
        var written = errno == 0 ? data.Length : Math.Min(Room, data.Length);
        Room -= errno == 0 ? 0 : written;
        lock (_text)
        {
            _text.Append(Encoding.UTF8.GetString(data[..written]));
        }

        return written;
    }

    public void Dispose() => _open.Dispose();
}
