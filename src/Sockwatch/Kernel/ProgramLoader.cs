using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using Sockwatch.Bpf;

namespace Sockwatch.Kernel;

/// <summary>
/// Brings sockwatch.bpf.o into the kernel: chooses the programs, creates the maps and loads, and when the kernel refuses finds out
/// what it refuses and chooses again.
/// </summary>
internal sealed partial class ProgramLoader
{
    private const int NotPermitted = 1;
    private const int NoMemory = 12;


    private readonly KernelOptions _options;
    private readonly FilterOptions _filters;
    private readonly WantedRecords _flowRecords;
    private readonly bool _canTrace;
    private readonly bool _dnsNames;
    private readonly PayloadReach _payload;
    private readonly ILogger _logger;
    private readonly HostFacts _host;
    private readonly string? _btf;

    /// <param name="flowRecords">Which records somebody wants at the start.</param>
    /// <param name="canTrace">Whether a live trace may be asked for, which wants a record whenever a UDP socket's peer is not its last one.</param>
    /// <param name="dnsNames">A copy of DNS questions and answers.</param>
    /// <param name="keeping">Where to keep states, for tests; null for the best.</param>
    /// <param name="payload">What of payload is to be captured; null for nothing.</param>
    /// <exception cref="KernelException">A condition is not met without which no message of the kernel's would be of help.</exception>
    public ProgramLoader(
        KernelOptions options, FilterOptions filters, WantedRecords flowRecords, bool canTrace, ILogger logger, StateKeeping? keeping = null,
        bool dnsNames = false, PayloadReach? payload = null)
    {
        _options = options;
        _filters = filters;
        _flowRecords = flowRecords;
        _canTrace = canTrace;
        _dnsNames = dnsNames;
        _payload = payload ?? PayloadReach.None;
        _logger = logger;
        _btf = KernelTypes.Source(options);
        KernelPrograms.Require(_btf);
        _host = HostFacts.Read(new HostPaths());
        BpfLog.Sink = (level, message) => LogLibBpf(logger, level, message);
        using var offer = new KernelOffer(_host, new HostPaths());
        Planner = new HookPlanner(_host, options.Backend, offer, keeping, _payload);
    }

    public HookPlanner Planner { get; }

    /// <summary>How much of the tables one process may have.</summary>
    public LimitOptions Limits { get; init; } = new();

    /// <summary>Whether edges are told apart by the process that owns the sockets, besides its executable.</summary>
    public bool ByProcess { get; init; }

    /// <summary>What addresses are matched with; null for nothing, which costs nothing.</summary>
    public IKernelLists? Lists { get; init; }

    /// <summary>Loads, prepares the maps, and attaches: everything is observed from here on.</summary>
    /// <exception cref="KernelException">There is no way to observe something that totals depend on; the message has the reason.</exception>
    public KernelPrograms Start()
    {
        while (true)
        {
            var programs = Load();
            try
            {
                programs.PrepareMaps(_filters);
                Lists?.Install(programs.Object);
                programs.PreparePayload(_payload);
                programs.AdoptListeners();
                if (programs.Attach() is not { } refused)
                {
                    programs.TellAttached();
                    return programs;
                }

                // Nothing has been counted yet, so nothing is lost by beginning anew with the next best.
                if (!Planner.Refuse(refused.Hook.Program, refused.Reason))
                {
                    throw new KernelException($"cannot attach {refused.Hook.Hook} ({refused.Reason.Reason}): {refused.Hook.Without}. See 'sockwatch doctor'");
                }

                programs.Dispose();
            }
            catch
            {
                programs.Dispose();
                throw;
            }
        }
    }

    /// <summary>
    /// The programs of the next best way to observe what <paramref name="lost"/> observed, over the same maps, for when a hook is lost while
    /// the agent runs.
    /// </summary>
    /// <returns>Null when there is no such way, or it would need states to be kept otherwise than they are.</returns>
    public (BpfObject Programs, ChosenWay Choice)? LoadNextBest(KernelPrograms running, ChosenWay lost)
    {
        while (true)
        {
            var plan = Planner.Look(running.Plan.Keeping);
            var choice = plan.Choices.First(choice => choice.Group.Name == lost.Group.Name);
            if (choice.Way is null || (running.Plan.Keeping == StateKeeping.Storage && choice.Way.Programs.Any(hook => hook.NeedsHash)))
            {
                return null;
            }

            var only = plan with { Choices = [choice] };
            try
            {
                return (Load(only, [.. only.Hooks.Select(hook => hook.Program).Where(program => !Planner.Refused.ContainsKey(program))], running.Object), choice);
            }
            catch (BpfException failure)
            {
                // One of them is to blame; all of the way go.
                var isNew = false;
                foreach (var hook in choice.Way.Required)
                {
                    isNew |= Planner.Refuse(hook.Program, Refusal.Of(failure, _host, hook.Backend));
                }

                if (!isNew)
                {
                    return null;
                }
            }
        }
    }

    /// <summary>Creates the maps and loads the programs; nothing is observed yet.</summary>
    /// <exception cref="KernelException">A program that totals depend on is refused; the message has the reason.</exception>
    public KernelPrograms Load()
    {
        while (true)
        {
            // The keeping with which the kernel took the most programs before it refused one.
            (int Taken, string Program, Refusal Reason)? furthest = null;
            foreach (var keeping in Planner.Keepings(Planner.Choose()))
            {
                if (TryLoad(keeping, out var refused) is { } programs)
                {
                    return programs;
                }

                furthest = furthest is null || refused.Taken > furthest.Value.Taken ? refused : furthest;
            }

            if (!Planner.Refuse(furthest!.Value.Program, furthest.Value.Reason))
            {
                throw new KernelException($"the kernel refuses the programs: {furthest.Value.Reason.Reason}. See 'sockwatch doctor'");
            }
        }
    }

    /// <summary>Loads the plan's programs, without those that it can do without when the kernel refuses them.</summary>
    /// <param name="refused">The program that it cannot do without, when the result is null.</param>
    private KernelPrograms? TryLoad(StateKeeping keeping, out (int Taken, string Program, Refusal Reason) refused)
    {
        var plan = Planner.Choose(keeping);
        var wanted = Programs(plan);
        var without = new Dictionary<string, Refusal>();
        while (true)
        {
            try
            {
                var programs = Load(plan, wanted);
                foreach (var (program, reason) in without)
                {
                    Planner.Refuse(program, reason);
                }

                refused = default;
                return new KernelPrograms(programs, Planner.Choose(keeping), Planner.Refused, _host, _logger);
            }
            catch (BpfException failure)
            {
                if (IsFinal(failure))
                {
                    foreach (var hook in plan.Hooks)
                    {
                        Planner.Refuse(hook.Program, Refusal.Of(failure, _host, hook.Backend));
                    }

                    throw Refused(failure);
                }

                // libbpf loads them one after the other and names the one it ended with.
                var name = FailedProgram().Matches(failure.Log).LastOrDefault()?.Groups["name"].Value ?? "";
                if (!wanted.Contains(name))
                {
                    throw Refused(failure);
                }

                var reason = Refusal.Of(failure, _host, plan.Hooks.FirstOrDefault(hook => hook.Program == name)?.Backend);
                if (IsNeeded(plan, name))
                {
                    refused = (wanted.IndexOf(name), name, reason);
                    return null;
                }

                // With another keeping the kernel may take it.
                wanted.Remove(name);
                without.Add(name, reason);
            }
        }
    }

    // Readings too: without them nothing would leave the sockets. Adoption can be done without.
    private static bool IsNeeded(HookPlan plan, string program) =>
        program == plan.Readings.Flush || program == plan.Readings.Report
        || plan.Choices.Any(choice => choice.Group.IsRequired && choice.Way?.Required.Any(hook => hook.Program == program) == true);

    /// <summary>What the agent would choose here, as far as loading tells; leaves nothing behind.</summary>
    public HookPlan Probe()
    {
        try
        {
            using var programs = Load();
            return programs.Plan;
        }
        catch (KernelException)
        {
            return TryEach();
        }
    }

    /// <summary>The first operation that has no way keeps the rest from being tried, so here each program is loaded by itself.</summary>
    private HookPlan TryEach()
    {
        var tried = new HashSet<string>();
        while (true)
        {
            var keepings = Planner.Keepings(Planner.Look()).ToList();
            var plan = Planner.Look(keepings[0]);
            var untried = plan.Hooks.Where(hook => !Planner.Refused.ContainsKey(hook.Program) && tried.Add(hook.Program)).ToList();
            if (untried.Count == 0)
            {
                return plan;
            }

            foreach (var hook in untried)
            {
                if (WhyNotAlone(hook, keepings) is { } reason)
                {
                    Planner.Refuse(hook.Program, reason);
                }
            }
        }
    }

    /// <returns>Null when the kernel takes it with any of the keepings.</returns>
    private Refusal? WhyNotAlone(HookProgram hook, IEnumerable<StateKeeping> keepings)
    {
        Refusal? reason = null;
        foreach (var keeping in keepings)
        {
            try
            {
                Load(Planner.Look(keeping), [hook.Program]).Dispose();
                return null;
            }
            catch (BpfException failure)
            {
                reason ??= Refusal.Of(failure, _host, hook.Backend);
                if (IsFinal(failure))
                {
                    break;
                }
            }
        }

        return reason;
    }

    /// <summary>In the order of the object, in which libbpf loads them.</summary>
    private List<string> Programs(HookPlan plan)
    {
        var programs = plan.Hooks.Select(hook => hook.Program).Distinct();
        programs = _host.HasKernelTypes
            ? programs.Concat(["sw_adopt_listeners", "sw_adopt_connections", plan.Readings.Flush, plan.Readings.Report])
            : programs.Append("sw_adopt_descriptor");

        using var inOrder = BpfObject.Open(KernelPrograms.ObjectPath, _btf);
        var wanted = programs.Where(program => !Planner.Refused.ContainsKey(program)).ToHashSet();
        return [.. inOrder.Programs.Select(program => program.Name).Where(wanted.Contains)];
    }

    private BpfObject Load(HookPlan plan, IReadOnlyCollection<string> wanted, BpfObject? maps = null)
    {
        var programs = BpfObject.Open(KernelPrograms.ObjectPath, _btf, withoutFetchingAtomics: plan.Keeping == StateKeeping.PlainHash);
        try
        {
            Configure(programs, plan);
            foreach (var program in programs.Programs)
            {
                programs.SetAutoload(program.Name, wanted.Contains(program.Name));
            }

            foreach (var map in maps?.Maps.Where(map => !map.Name.Contains(".rodata", StringComparison.Ordinal)) ?? [])
            {
                programs.ShareMap(map.Name, maps!);
            }

            programs.Load();
            return programs;
        }
        catch
        {
            programs.Dispose();
            throw;
        }
    }

    private void Configure(BpfObject programs, HookPlan plan)
    {
        new MapSizes(_options, Limits, _dnsNames, _payload != PayloadReach.None, Lists?.MaxAdded).Set(programs, plan, _host);
        ConfigurePayload(programs);
        programs.SetConstant("state_in_hash", Flag(plan.Keeping != StateKeeping.Storage));
        programs.SetConstant("plain_atomics", Flag(plan.Keeping == StateKeeping.PlainHash));
        programs.SetConstant("untyped_task", Flag(plan.Keeping == StateKeeping.PlainHash));
        programs.SetConstant("flush_jiffies", (ulong)TickRate.Of(KernelConfiguration.Read(new HostPaths(), _host.Release)));
        programs.SetConstant("can_trace", Flag(_canTrace));
        programs.SetConstant("dns_names", Flag(_dnsNames));
        programs.SetConstant("have_excluded_ports", Flag(_filters.ExcludePorts.Count > 0));
        programs.SetConstant("have_excluded_networks", Flag(_filters.ExcludeNetworks.Count > 0));
        programs.SetConstant("match_verdicts", Flag(Lists is not null));
        programs.SetConstant("edges_by_process", Flag(ByProcess));

        // What these are at the start; see KernelSwitches.
        programs.SetConstant("emit_flow_records", (byte)_flowRecords);
        programs.SetConstant("ignore_loopback", Flag(_filters.IgnoreLoopback));
        programs.SetConstant("ignore_ipv6", Flag(_filters.IgnoreIpv6));
    }

    private void ConfigurePayload(BpfObject programs)
    {
        if (_payload == PayloadReach.None)
        {
            return;
        }

        var symbols = KernelSymbols.Read(new HostPaths(), new HashSet<string> { "vmemmap_base", "page_offset_base" });
        programs.SetConstant("vmemmap_base_at", symbols.GetValueOrDefault("vmemmap_base"));
        programs.SetConstant("page_offset_base_at", symbols.GetValueOrDefault("page_offset_base"));
        programs.SetConstant("payload_of_client", (uint)_payload.OfClient);
        programs.SetConstant("payload_of_server", (uint)_payload.OfServer);
        programs.SetConstant("payload_received", (uint)_payload.Received);
        programs.SetConstant("payload_unlisted", (uint)_payload.Unlisted);
        programs.SetConstant("payload_ring_share", (ulong)_options.RingBytes / 2);
        programs.SetConstant("have_payload_ports", Flag(_payload.Ports.Count > 0));
    }

    private static byte Flag(bool isSet) => isSet ? (byte)1 : (byte)0;

    // No other choice of programs would help.
    private bool IsFinal(BpfException failure) =>
        failure.Errno == NoMemory || (failure.Errno == NotPermitted && !_host.Capabilities.Allows(Capability.Bpf));

    private KernelException Refused(BpfException failure) =>
        new($"the kernel refuses the programs: {Refusal.Of(failure, _host).Reason}. See 'sockwatch doctor'", failure);

    [GeneratedRegex(@"prog '(?<name>\w+)': failed to load")]
    private static partial Regex FailedProgram();

    private static void LogLibBpf(ILogger logger, BpfLogLevel level, string message)
    {
        // Its warnings come back as an exception with the reason in one line; here they are detail.
        if (level != BpfLogLevel.Debug)
        {
            Log.LibBpf(logger, message.TrimEnd());
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Debug, "libbpf: {Message}")]
        public static partial void LibBpf(ILogger logger, string message);
    }
}
