using Sockwatch.Aggregation;
using Sockwatch.Kernel;

namespace Sockwatch.Tests.Fakes;

/// <summary>Names every edge after its peer's address, under a workload that a test can change.</summary>
internal sealed class NamesByAddress : IEdgeNaming
{
    public string Workload { get; set; } = "nginx.service";

    public bool AllTheSame { get; set; }

    public EdgeAttributes Name(in EdgeKey key) => Some.Attributes(
        workload: Workload,
        peer: AllTheSame ? "" : key.PeerAddress.ToString());
}
