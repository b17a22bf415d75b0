using Sockwatch.Kernel;
using Sockwatch.Verdicts;

namespace Sockwatch.Aggregation;

/// <summary>What a flow record says beyond its own fields. May be called from any thread.</summary>
internal interface IFlowNaming
{
    /// <summary>An address can be somebody else's by now, so the peer is who had it when the flow began.</summary>
    EdgeAttributes Name(in FlowRecord record);

    /// <summary>Whether better names may come within moments. Never true for long.</summary>
    bool IsAwaited(in FlowRecord record) => false;

    /// <summary>
    /// A record goes on to the exporters: what has to be found out while the kernel still knows it is found out now. Records of a flow come
    /// in their order.
    /// </summary>
    void Settle(in FlowRecord record)
    {
    }

    /// <summary>Null when the peer is no service, or nobody knows who is behind it.</summary>
    FlowBackend? Backend(in FlowRecord record) => null;

    string? ExecutablePath(ulong id);

    string? ContainerId(ulong cgroupId);

    /// <summary>Null when there is none, or none that is known yet.</summary>
    PodNames? Pod(ulong cgroupId);

    /// <summary>What the lists say, by the number that a record has; null when nothing is known by that number.</summary>
    Detection? Detection(int number) => null;
}
