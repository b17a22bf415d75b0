using Sockwatch.Aggregation;
using Sockwatch.Kernel;

namespace Sockwatch.Payload;

internal enum PayloadVerdict
{
    Unwanted,

    /// <summary>Its workload is not known yet.</summary>
    Undecided,

    Wanted,
}

/// <summary>Whose payload may be captured.</summary>
internal interface IPayloadList
{
    PayloadVerdict Decide(in FlowRecord record);

    /// <summary>The same answer holds for whatever this executable does in this cgroup.</summary>
    bool IsForGood(in FlowRecord record);
}

/// <summary>The list of the configuration: what is named of each kind has to fit.</summary>
internal sealed class PayloadList(PayloadOptions options, IFlowNaming naming) : IPayloadList
{
    private readonly HashSet<string> _processes = [.. options.Processes];
    private readonly HashSet<int> _ports = [.. options.Ports];
    private readonly HashSet<string> _namespaces = [.. options.Namespaces];

    public PayloadVerdict Decide(in FlowRecord record)
    {
        if (options.All)
        {
            return PayloadVerdict.Wanted;
        }

        if (!options.HasList || (_ports.Count > 0 && !_ports.Contains(record.Edge.ServerPort)))
        {
            return PayloadVerdict.Unwanted;
        }

        return DecideByOwner(in record);
    }

    public bool IsForGood(in FlowRecord record) => !options.All && options.HasList && DecideByOwner(in record) == PayloadVerdict.Unwanted;

    private PayloadVerdict DecideByOwner(in FlowRecord record)
    {
        if (_processes.Count > 0)
        {
            if (naming.ExecutablePath(record.Edge.ExecutableId) is not { Length: > 0 } path)
            {
                return PayloadVerdict.Undecided;
            }

            if (!_processes.Contains(path) && !_processes.Contains(path[(path.LastIndexOf('/') + 1)..]))
            {
                return PayloadVerdict.Unwanted;
            }
        }

        if (_namespaces.Count > 0)
        {
            var name = naming.Name(in record).WorkloadNamespace;
            if (!_namespaces.Contains(name))
            {
                // It has none, or it is not known yet.
                return name.Length > 0 ? PayloadVerdict.Unwanted : PayloadVerdict.Undecided;
            }
        }

        return PayloadVerdict.Wanted;
    }
}
