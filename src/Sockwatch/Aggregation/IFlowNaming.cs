using Sockwatch.Kernel;

namespace Sockwatch.Aggregation;

/// <summary>What a flow record says beyond its own fields. May be called from any thread.</summary>
internal interface IFlowNaming
{
    EdgeAttributes Name(in EdgeKey key);

    string? ExecutablePath(ulong id);

    string? ContainerId(ulong cgroupId);
}
