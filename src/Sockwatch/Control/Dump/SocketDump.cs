using Sockwatch.Diagnostics;
using Sockwatch.Exporters;
using Sockwatch.Kernel;
using Sockwatch.Reader;

namespace Sockwatch.Control.Dump;

/// <summary>Open sockets and what they have carried up to now; a UDP socket has a row for each of its peers.</summary>
internal sealed class SocketDump(IKernelBooks books, IKernelTotals names, BootClock clock) : IDumpSection
{
    public string Name => "sockets";

    public IReadOnlyList<DumpColumn> Columns { get; } =
    [
        new("sock_id", IsNumber: true), new("pid", IsNumber: true), new("executable"), new("transport"), new("role"), new("local"), new("remote"),
        new("since"), new("sent", IsNumber: true), new("received", IsNumber: true), new("sends", IsNumber: true), new("receives", IsNumber: true),
        new("attribution"),
    ];

    public IEnumerable<string[]> Rows(int most) => books.Sockets(most + 1).Select(socket => (string[])
    [
        DumpCell.Of(socket.SocketCookie),
        socket.Pid == 0 ? "" : DumpCell.Of(socket.Pid),
        names.ExecutablePath(socket.Edge.ExecutableId) ?? "",
        TransportProtocol.Name(socket.Edge.Transport),
        FlowLogNames.Name(socket.Edge.Role),
        TraceLine.Endpoint(socket.LocalAddress, socket.LocalPort, socket.Edge.NetworkType),
        TraceLine.Endpoint(socket.Edge.PeerAddress, socket.RemotePort, socket.Edge.NetworkType),
        DumpCell.Time(clock, socket.StartedAtNs),
        DumpCell.Of(socket.BytesSent), DumpCell.Of(socket.BytesReceived), DumpCell.Of(socket.Sends), DumpCell.Of(socket.Receives),
        socket.Attribution.Name(),
    ]);
}
