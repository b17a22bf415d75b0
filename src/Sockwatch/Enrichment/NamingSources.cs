using Sockwatch.Diagnostics;
using Sockwatch.Kernel;
using Sockwatch.Reader;
using Sockwatch.Verdicts;

namespace Sockwatch.Enrichment;

/// <summary>Whom naming asks, and whom it tells what it could not do. Absent is what is not there, or switched off.</summary>
internal sealed record NamingSources(
    IKernelTotals Kernel,
    CgroupPresence Presence,
    BootClock Clock,
    TimeProvider Time,
    LossLedger Losses,
    CacheLedger Caches,
    DnsLedger Dns)
{
    public ILocalPods? Pods { get; init; }

    public IRemotePeers? Cluster { get; init; }

    public IServiceBackends? Backends { get; init; }

    public IDnsMessages? DnsMessages { get; init; }

    public ReverseNames? Reverse { get; init; }

    public KernelLists? Lists { get; init; }

    public Detections? Detections { get; init; }
}
