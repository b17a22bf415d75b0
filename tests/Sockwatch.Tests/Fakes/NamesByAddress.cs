using Sockwatch.Aggregation;
using Sockwatch.Kernel;

namespace Sockwatch.Tests.Fakes;

/// <summary>Names every edge after its peer's address, under a workload that a test can change.</summary>
internal sealed class NamesByAddress : IEdgeNaming
{
    public string Workload { get; set; } = "nginx.service";

    public bool AllTheSame { get; set; }

    /// <summary>Whether edges have pods, by whether the address ends in an odd number.</summary>
    public bool Pods { get; set; }

    /// <summary>Whether edges of processes have their pids.</summary>
    public bool Pids { get; set; }

    /// <summary>Whether a better name may come.</summary>
    public bool AreProvisional { get; set; }

    public uint Generation { get; set; }

    public EdgeAttributes Name(in EdgeKey key) => Some.Attributes(
        workload: Workload,
        peer: AllTheSame ? "" : key.PeerAddress.ToString()) with
    {
        PodName = !Pods ? "" : key.PeerAddress.ToString()[^1] % 2 == 1 ? "pod-1" : "pod-2",
        ProcessPid = Pids ? $"{key.Pid}" : "",
        IsProvisional = AreProvisional,
    };
}
