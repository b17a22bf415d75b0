namespace Sockwatch.Kernel;

/// <summary>A capability that the agent makes use of on this machine.</summary>
/// <param name="IsRequired">Nothing works without it; else the agent runs and <paramref name="Without"/> is what it costs.</param>
/// <param name="Without">What is not to be had without it.</param>
internal sealed record NeededCapability(Capability Capability, bool IsRequired, string Without)
{
    public string Name => CapabilitySet.NameOf(Capability);

    public string Fix => $"run as root, or grant {Name} (setcap, AmbientCapabilities=, securityContext.capabilities){(Instead is null ? "" : $", or {Instead}")}";

    /// <summary>What makes it needless; null for nothing.</summary>
    public string? Instead { get; init; }

    /// <summary>The most important ones first.</summary>
    /// <param name="capturesPayload">Whether <c>payload</c> is on.</param>
    public static IReadOnlyList<NeededCapability> On(HostFacts host, bool capturesPayload)
    {
        List<NeededCapability> needed =
        [
            new(Capability.Bpf, true, "no map can be created and no program loaded"),
            new(Capability.Perfmon, true, "no program may look at the kernel's sockets"),
            new(Capability.NetAdmin, false, "no cgroup hook can be attached"),
        ];

        // libbpf raises the limit by itself, which is what the capability is for.
        if (host is { ChargesLockedMemory: true, LockedMemoryLimit: not null })
        {
            needed.Add(new(Capability.SysResource, true, "before Linux 5.11 maps count as locked memory and do not fit into its limit"));
        }

        if (!host.HasKernelTypes)
        {
            const string NotAdopted = "sockets that were there before the agent are taken over when they are first used, and not at its start";
            needed.Add(new(Capability.SysPtrace, false, NotAdopted));
            needed.Add(new(Capability.DacReadSearch, false, NotAdopted));
        }

        if (capturesPayload)
        {
            // Where the kernel's pages are is in /proc/kallsyms.
            needed.Add(new(Capability.Syslog, false, "payload that sendfile and splice send is not captured"));
        }

        // Programs of a hash plan are not run where a map is being read; see SteadyReading.
        if (Preemption.ReachesTrampolines(host))
        {
            needed.Add(new(Capability.SysNice, false,
                "a reading of the maps that is preempted hides operations for that time; they are counted as program_recursion"));
        }

        const string NotMeasured = "what the programs cost is not measured";
        needed.Add(PerfEvents.AreKeptFromPerfmon(host)
            ? new(Capability.SysAdmin, false,
                $"{NotMeasured}; kprobes and plain tracepoints cannot be attached, as kernel.perf_event_paranoid is {host.PerfEventParanoid}")
            {
                Instead = "for the hooks, sysctl kernel.perf_event_paranoid=2",
            }
            : new(Capability.SysAdmin, false, NotMeasured));
        return needed;
    }

    public bool IsMissing(HostFacts host) => !host.Capabilities.Allows(Capability);
}
