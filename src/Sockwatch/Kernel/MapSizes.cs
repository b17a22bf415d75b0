using Sockwatch.Bpf;

namespace Sockwatch.Kernel;

/// <summary>How many entries each map is created with. What this configuration or this choice of programs does not use takes next to no room.</summary>
/// <param name="MaxAdded">Addresses that may be added to the lists; null when there are no lists.</param>
internal sealed record MapSizes(KernelOptions Kernel, LimitOptions Limits, bool DnsNames, bool CapturesPayload, int? MaxAdded)
{
    private const uint Claims = 4096;
    private const uint Calls = 65_536;

    // The memory that programs of these kinds take while they run came with 6.1.
    private static readonly Version s_allocatesAnywhere = new(6, 1);

    /// <summary>Before the object is loaded.</summary>
    public void Set(BpfObject programs, HookPlan plan, HostFacts host)
    {
        programs.SetMaxEntries("edges", (uint)Kernel.MaxEdges);
        programs.SetMaxEntries("edge_timings", (uint)Kernel.MaxEdges);
        programs.SetMaxEntries("edge_failures", (uint)Quotas.MaxFailures(Kernel));
        programs.SetMaxEntries("udp_flows", (uint)Kernel.MaxUdpFlows);
        programs.SetMaxEntries("released_udp_sockets", (uint)Kernel.MaxUdpFlows);
        programs.SetMaxEntries("processes", (uint)Kernel.MaxProcesses);
        programs.SetMaxEntries("executable_paths", (uint)Kernel.MaxExecutables);
        programs.SetMaxEntries("cgroup_paths", (uint)Kernel.MaxCgroups);
        programs.SetMaxEntries("flow_records", (uint)Kernel.RingBytes);

        var usesHash = plan.Keeping != StateKeeping.Storage;
        programs.SetMaxEntries("socket_hash", usesHash ? (uint)Kernel.MaxSockets : 1);
        programs.SetMaxEntries("claims", usesHash ? Claims : 1);
        programs.SetMaxEntries("calls", usesHash ? Calls : 1);
        if (host.KernelVersion < s_allocatesAnywhere && plan.Hooks.Any(hook => hook.NeedsHash))
        {
            programs.PreallocateHashMaps();
        }

        if (!CapturesPayload)
        {
            programs.SetMaxEntries("payload_strangers", 1);
            programs.SetMaxEntries("payload_builders", 1);
            programs.SetMaxEntries("payload_calls", 1);
        }

        if (!DnsNames)
        {
            programs.SetMaxEntries("dns_messages", (uint)Environment.SystemPageSize);
        }

        Quotas.Set(programs, Kernel, Limits);

        // One more than there may be: some kernels want room for the new one before they let the old one go.
        programs.SetMaxEntries("added_verdicts", (uint)(MaxAdded ?? 0) + 1);
        programs.SetMaxEntries("edge_detections", MaxAdded is null ? 1 : (uint)Quotas.MaxFailures(Kernel));
        if (MaxAdded is null)
        {
            programs.SetMaxEntries("overflow_detections", 1);
            programs.SetMaxEntries("detected_conversations", 1);
        }
    }

    /// <summary>What the maps will cost with these programs. Asks the kernel for nothing.</summary>
    public MapPlan Plan(HookPlan plan, HostFacts host)
    {
        using var programs = BpfObject.Open(KernelPrograms.ObjectPath);
        Set(programs, plan, host);
        var maps = MapPlan.Of(programs.Maps, BpfHost.PossibleCpus);
        return plan.Keeping == StateKeeping.Storage ? maps : maps with { BytesPerSocket = 0 };
    }
}
