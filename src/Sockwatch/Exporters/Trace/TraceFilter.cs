using Sockwatch.Aggregation;
using Sockwatch.Kernel;
using Sockwatch.Reader;

namespace Sockwatch.Exporters.Trace;

/// <summary>
/// Chooses the records of one trace. It runs on the reader's thread, ahead of the queue, so that what is dropped there is what
/// would have been shown. What takes a name is found out once for each executable, cgroup and process.
/// </summary>
internal sealed class TraceFilter
{
    // A name may still come: a container's, from Kubernetes.
    private const ulong AskAgainNs = 1_000_000_000;

    private readonly IFlowNaming _naming;
    private readonly IProcessLineage _lineage;
    private readonly ushort _epoch;
    private readonly TraceChoice _choice;
    private readonly AddressRange[] _networks;
    private readonly SocketOperation[] _operations;
    private readonly byte[] _transports;
    private readonly Answers<ulong> _executables = new();
    private readonly Answers<ulong> _cgroups = new();
    private readonly Answers<(uint Pid, ulong StartedAtNs)> _processes = new();

    /// <param name="choice">One with nothing wrong: see <see cref="TraceChoice.WhyNot"/>.</param>
    /// <param name="epoch">As <see cref="IKernelSwitches.BeginTrace"/> gave it.</param>
    public TraceFilter(TraceChoice choice, IFlowNaming naming, IProcessLineage lineage, ushort epoch)
    {
        _choice = choice;
        _naming = naming;
        _lineage = lineage;
        _epoch = epoch;
        _networks = [.. choice.Networks.Select(text => AddressRange.Of(TraceValues.Network(text)!.Value))];
        _operations = [.. choice.Operations.Select(text => TraceValues.Operation(text)!.Value)];
        _transports = [.. choice.Protocols.Select(text => TraceValues.Transport(text)!.Value)];
    }

    public bool Accepts(in FlowRecord record) =>
        IsNews(in record)
        && (_operations.Length == 0 || Array.IndexOf(_operations, Operation(in record)) >= 0)
        && Chooses(in record);

    /// <summary>The same of what the record is about, whatever it says of it.</summary>
    public bool Chooses(in FlowRecord record) =>
        Includes(_choice.Uids, record.Uid)
        && (_choice.Ports.Count == 0 || _choice.Ports.Contains(record.LocalPort) || _choice.Ports.Contains(record.RemotePort))
        && (_transports.Length == 0 || Array.IndexOf(_transports, record.Edge.Transport) >= 0)
        && (_networks.Length == 0 || IsInNetwork(record.Edge.PeerAddress) || IsInNetwork(record.LocalAddress))
        && IsOfProcess(in record)
        && IsOfExecutable(in record)
        && IsOfContainer(in record);

    private static bool Includes<T>(IReadOnlyList<T> wanted, T value) => wanted.Count == 0 || wanted.Contains(value);

    private static SocketOperation Operation(in FlowRecord record) => record.Kind switch
    {
        RecordKind.FlowDetect => TraceValues.Detect,
        RecordKind.FlowFailed => SocketOperation.Connect,
        RecordKind.FlowEnd => SocketOperation.Release,
        RecordKind.FlowStart when record.Edge.Transport == TransportProtocol.Tcp =>
            record.Edge.Role == NetworkRole.Server ? SocketOperation.Accept : SocketOperation.Connect,
        _ => record.Operation,
    };

    /// <summary>
    /// Not a peer that this trace has seen, shown again for another one's sake; and not a connection that was there before: nobody
    /// connected, and a running agent would have told of it long ago.
    /// </summary>
    private bool IsNews(in FlowRecord record) => record.Kind switch
    {
        RecordKind.FlowStart => record.Attribution != FlowAttribution.Adopted,
        RecordKind.PeerChanged => record.RepeatedSince == 0 || (short)(record.RepeatedSince - _epoch) < 0,
        _ => true,
    };

    private bool IsInNetwork(in Address16 address)
    {
        if (address.IsZero)
        {
            return false;
        }

        foreach (var network in _networks)
        {
            if (network.Contains(in address))
            {
                return true;
            }
        }

        return false;
    }

    private bool IsOfProcess(in FlowRecord record)
    {
        if (_choice.Pids.Count == 0 || _choice.Pids.Contains(record.Pid))
        {
            return true;
        }

        if (!_choice.WithChildren || record.Pid == 0)
        {
            return false;
        }

        var process = (record.Pid, record.ProcessStartedAtNs);
        return _processes.Find(process, record.AtNs)
            ?? _processes.Keep(process, _lineage.DescendsFrom(record.Pid, record.ProcessStartedAtNs, record.ParentPid, _choice.Pids), ulong.MaxValue);
    }

    private bool IsOfExecutable(in FlowRecord record)
    {
        var executable = record.Edge.Executable;
        if (_choice.Executables.Count == 0)
        {
            return true;
        }

        if (_executables.Find(executable, record.AtNs) is { } known)
        {
            return known;
        }

        return _naming.ExecutablePath(executable) is { } path
            && _executables.Keep(executable, _choice.Executables.Any(wanted => wanted.Contains('/') ? wanted == path : wanted == FlowLogNames.BaseName(path)), ulong.MaxValue);
    }

    private bool IsOfContainer(in FlowRecord record)
    {
        var cgroup = record.Edge.CgroupId;
        if (_choice.Containers.Count == 0 && _choice.Namespaces.Count == 0)
        {
            return true;
        }

        if (_cgroups.Find(cgroup, record.AtNs) is { } known)
        {
            return known;
        }

        var isWanted = HasContainer(cgroup) && HasNamespace(cgroup);
        return _cgroups.Keep(cgroup, isWanted, isWanted ? ulong.MaxValue : record.AtNs + AskAgainNs);
    }

    private bool HasContainer(ulong cgroup) =>
        _choice.Containers.Count == 0
        || (_naming.Pod(cgroup)?.Container is { } name && _choice.Containers.Contains(name))
        || (_naming.ContainerId(cgroup) is { } id && _choice.Containers.Any(wanted => id.StartsWith(wanted, StringComparison.Ordinal)));

    private bool HasNamespace(ulong cgroup) =>
        _choice.Namespaces.Count == 0 || (_naming.Pod(cgroup)?.Namespace is { } name && _choice.Namespaces.Contains(name));

    /// <summary>What was found out before; begun anew when there is too much of it.</summary>
    private sealed class Answers<TKey>
        where TKey : notnull
    {
        private const int Most = 4096;

        private readonly Dictionary<TKey, (bool IsWanted, ulong UntilNs)> _answers = [];

        public bool? Find(TKey key, ulong atNs) => _answers.TryGetValue(key, out var answer) && atNs < answer.UntilNs ? answer.IsWanted : null;

        public bool Keep(TKey key, bool isWanted, ulong untilNs)
        {
            if (_answers.Count >= Most)
            {
                _answers.Clear();
            }

            _answers[key] = (isWanted, untilNs);
            return isWanted;
        }
    }
}
