using Sockwatch.Bpf;

namespace Sockwatch.Kernel;

/// <summary>What is left for one process of tables that fill up, as the programs have it.</summary>
internal static class Quotas
{
    private const ulong None = ulong.MaxValue;

    // Of so few, a share would be next to nothing: they are somebody's experiment, and first come, first served.
    private const int LeastWorthSharing = 1024;

    private const int RecordBytes = 272;

    public static void Set(BpfObject programs, KernelOptions kernel, LimitOptions limits)
    {
        var perProcess = limits.ProcessShare;
        Set(programs, "edges_pressed", kernel.MaxEdges, 50);
        Set(programs, "edges_per_process", kernel.MaxEdges, perProcess);
        Set(programs, "edges_per_container", kernel.MaxEdges, limits.ContainerShare);

        // What is left is for overflows: one for each owner that has one.
        programs.SetConstant("edges_most", kernel.MaxEdges < LeastWorthSharing ? None : (ulong)(kernel.MaxEdges - (kernel.MaxEdges / 16)));
        Set(programs, "failures_pressed", MaxFailures(kernel), 50);
        Set(programs, "failures_per_process", MaxFailures(kernel), perProcess);
        Set(programs, "failures_per_container", MaxFailures(kernel), limits.ContainerShare);
        Set(programs, "udp_flows_pressed", kernel.MaxUdpFlows, 50);
        Set(programs, "udp_flows_per_process", kernel.MaxUdpFlows, perProcess);
        Set(programs, "sockets_pressed", kernel.MaxSockets, 50);
        Set(programs, "sockets_per_process", kernel.MaxSockets, perProcess);
        programs.SetConstant("ring_pressed", (ulong)(kernel.RingBytes / 2));
        programs.SetConstant("ring_most", (ulong)(kernel.RingBytes - (kernel.RingBytes / 16)));

        // Of the half that is left, an eighth of a second's worth.
        programs.SetConstant("records_per_process", Math.Max(16UL, (ulong)kernel.RingBytes / 2 * (ulong)perProcess / 100 / RecordBytes));
        programs.SetMaxEntries("edge_owners", (uint)Math.Clamp(kernel.MaxEdges, 16, 65_536));
        programs.SetMaxEntries("process_sockets", (uint)Math.Max(kernel.MaxProcesses, 16));
        programs.SetMaxEntries("process_udp_flows", (uint)Math.Max(kernel.MaxProcesses, 16));
        programs.SetMaxEntries("process_limits", (uint)limits.MaxProcesses);
    }

    public static int MaxFailures(KernelOptions kernel) => Math.Max(kernel.MaxEdges / 4, 4);

    private static void Set(BpfObject programs, string constant, int size, int percent) =>
        programs.SetConstant(constant, size < LeastWorthSharing || percent == 100 ? None : (ulong)size * (ulong)percent / 100);
}
