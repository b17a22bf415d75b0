using System.Buffers;
using System.Net;
using Sockwatch.Aggregation;
using Sockwatch.Exporters;
using Sockwatch.Kernel;

namespace Sockwatch.Commands;

/// <summary>Which records <c>sockwatch trace</c> shows: those that meet every kind of filter given, by one of its values.</summary>
internal sealed record TraceFilter
{
    public IReadOnlyList<uint> Pids { get; init; } = [];

    /// <summary>Base names, or whole paths when they hold a slash.</summary>
    public IReadOnlyList<string> Executables { get; init; } = [];

    public IReadOnlyList<uint> Uids { get; init; } = [];

    /// <summary>Of either side.</summary>
    public IReadOnlyList<ushort> Ports { get; init; } = [];

    /// <summary>Around either side's address.</summary>
    public IReadOnlyList<IPNetwork> Networks { get; init; } = [];

    public IReadOnlyList<SocketOperation> Operations { get; init; } = [];

    public IReadOnlyList<byte> Transports { get; init; } = [];

    public bool Accepts(in FlowRecord record, IFlowNaming naming)
    {
        var edge = record.Edge;
        return Includes(Pids, record.Pid)
            && Includes(Uids, record.Uid)
            && (Ports.Count == 0 || Ports.Contains(record.LocalPort) || Ports.Contains(record.RemotePort))
            && Includes(Transports, edge.Transport)
            && Includes(Operations, Operation(in record))
            && (Networks.Count == 0 || IsInNetwork(edge.PeerAddress) || IsInNetwork(record.LocalAddress))
            && (Executables.Count == 0 || IsExecutable(naming.ExecutablePath(edge.ExecutableId)));
    }

    private static bool Includes<T>(IReadOnlyList<T> wanted, T value) => wanted.Count == 0 || wanted.Contains(value);

    private static SocketOperation Operation(in FlowRecord record) => record.Kind switch
    {
        RecordKind.FlowFailed => SocketOperation.Connect,
        RecordKind.FlowEnd => SocketOperation.Release,
        RecordKind.FlowStart when record.Edge.Transport == TransportProtocol.Tcp =>
            record.Edge.Role == NetworkRole.Server ? SocketOperation.Accept : SocketOperation.Connect,
        _ => record.Operation,
    };

    private bool IsInNetwork(Address16 address)
    {
        if (address.IsZero)
        {
            return false;
        }

        var shown = address.ToIPAddress();
        return Networks.Any(network => network.Contains(shown));
    }

    private bool IsExecutable(string? path) => path is not null
        && Executables.Any(wanted => wanted.Contains('/') ? wanted == path : wanted == FlowLogNames.BaseName(path));
}

/// <summary>A format that leaves out what a filter does not accept.</summary>
internal sealed class FilteredFormat(IFlowLineFormat format, TraceFilter filter, IFlowNaming naming) : IFlowLineFormat
{
    public bool TryWrite(in FlowRecord record, IBufferWriter<byte> lines) =>
        filter.Accepts(in record, naming) && format.TryWrite(in record, lines);
}
