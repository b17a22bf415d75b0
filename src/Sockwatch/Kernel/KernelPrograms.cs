using System.Net;
using Microsoft.Extensions.Logging;
using Sockwatch.Bpf;

namespace Sockwatch.Kernel;

/// <summary>What becomes of one program on this kernel.</summary>
/// <param name="Reason">Why it is not attached, in one line; null when it is.</param>
internal sealed record HookOutcome(HookProgram Hook, string? Reason)
{
    public bool IsAttached => Reason is null;
}

/// <summary>
/// sockwatch.bpf.o in the kernel, as <see cref="ProgramLoader"/> has loaded it. Preparing the maps, attaching, and taking over the
/// sockets that are there already are separate steps, in this order; disposing takes the programs off and frees it all.
/// </summary>
internal sealed partial class KernelPrograms : IDisposable
{
    private const string DescriptorProgram = "sw_adopt_descriptor";

    private static readonly HostPaths s_paths = new();

    private readonly BpfObject _object;
    private readonly IReadOnlyDictionary<string, Refusal> _refused;
    private readonly HostFacts _host;
    private readonly ILogger _logger;
    private readonly Dictionary<string, BpfLink> _links = [];
    private readonly List<BpfObject> _replacements = [];
    private List<HookOutcome> _outcomes = [];

    /// <param name="refused">Programs that this kernel does not take; they are not loaded.</param>
    public KernelPrograms(BpfObject loaded, HookPlan plan, IReadOnlyDictionary<string, Refusal> refused, HostFacts host, ILogger logger)
    {
        _object = loaded;
        _refused = refused;
        _host = host;
        _logger = logger;
        Plan = plan;
        Steadily = new SteadyReading(plan.Hooks.Any(hook => hook.NeedsHash));
    }

    /// <summary>The object beside the executable, or in the directory that SOCKWATCH_BPF_DIR names.</summary>
    public static string ObjectPath => Path.Combine(
        Environment.GetEnvironmentVariable("SOCKWATCH_BPF_DIR") ?? Path.Combine(AppContext.BaseDirectory, "bpf"), "sockwatch.bpf.o");

    public BpfObject Object => _object;

    public HookPlan Plan { get; private set; }

    /// <summary>How to read the maps without keeping the programs from their work.</summary>
    public SteadyReading Steadily { get; }

    /// <summary>One for each hook of the plan, once attached.</summary>
    public IReadOnlyList<HookOutcome> Outcomes => _outcomes;

    /// <summary>Fills what the programs expect to find. Maps that another agent left behind keep their content.</summary>
    public void PrepareMaps(FilterOptions filters)
    {
        _object.Map<EdgeKey, EdgeTotals>("edges").TryAdd(EdgeKey.Overflow, default);
        _object.Map<EdgeKey, EdgeTimings>("edge_timings").TryAdd(EdgeKey.Overflow, default);
        _object.Map<EdgeOwnerKey, EdgeOwner>("edge_owners").TryAdd(EdgeOwnerKey.Everybody, default);

        SetPorts("excluded_ports", filters.ExcludePorts);

        var networks = _object.Map<NetworkPrefix, byte>("excluded_networks");
        foreach (var network in filters.ExcludeNetworks)
        {
            networks.Update(NetworkPrefix.Of(IPNetwork.Parse(network)), 1);
        }
    }

    public void PreparePayload(PayloadReach payload) => SetPorts("payload_ports", payload.Ports);

    /// <summary>Puts every program of the plan to work.</summary>
    /// <returns>A program that totals depend on and that cannot be attached; null when all is well.</returns>
    public (HookProgram Hook, Refusal Reason)? Attach()
    {
        // Those that see a socket's end come first: a connection whose end nobody sees would stay open for ever.
        var reasons = new Dictionary<string, Refusal?>();
        foreach (var hook in Plan.Hooks.OrderBy(hook => hook.Operation == "release" ? 0 : 1).Where(hook => !reasons.ContainsKey(hook.Program)))
        {
            var reason = _refused.GetValueOrDefault(hook.Program) ?? TryAttach(hook);
            if (reason is not null && hook.IsRequired && !IsAbsent(hook))
            {
                return (hook, reason);
            }

            reasons.Add(hook.Program, reason);
        }

        _outcomes.AddRange(Plan.Hooks.Where(hook => !IsAbsent(hook)).Select(hook => new HookOutcome(hook, reasons[hook.Program]?.Reason)));
        _outcomes.AddRange(Unobserved());
        return null;
    }

    /// <summary>
    /// The hooks that no longer run their program: a cgroup program that somebody took off, or functions' hooks that were switched off for
    /// the whole machine.
    /// </summary>
    public IReadOnlyList<(HookProgram Hook, Refusal Reason)> FindLost()
    {
        var lost = new List<(HookProgram, Refusal)>();
        foreach (var hook in _outcomes.Where(outcome => outcome.IsAttached).Select(outcome => outcome.Hook).DistinctBy(hook => hook.Program))
        {
            if (HookSwitches.WhyOff(hook, s_paths) is { } off)
            {
                lost.Add((hook, off));
            }
            else if (hook.Form == ProgramForm.Cgroup && _links.TryGetValue(hook.Program, out var link) && link.IsDetachedFromCgroup)
            {
                lost.Add((hook, new Refusal("it was taken off its cgroup")));
            }
        }

        return lost;
    }

    /// <summary>Puts a program that lost its hook back.</summary>
    /// <returns>Why not; null when it is back.</returns>
    public string? AttachAgain(HookProgram hook)
    {
        if (HookSwitches.WhyOff(hook, s_paths) is { } off)
        {
            return off.Reason;
        }

        if (_links.Remove(hook.Program, out var link))
        {
            link.Dispose();
        }

        return TryAttach(hook)?.Reason;
    }

    /// <summary>Lets other programs over the same maps observe what a way of the plan observed.</summary>
    /// <returns>Why not; null when they are at work.</returns>
    public string? Replace(ChosenWay lost, BpfObject programs, ChosenWay next)
    {
        var links = new Dictionary<string, BpfLink>();
        foreach (var hook in next.Way!.Programs.DistinctBy(hook => hook.Program).Where(hook => programs.Program(hook.Program).Fd >= 0))
        {
            var reason = TryAttach(hook, programs, links);
            if (reason is not null && hook.IsRequired && !IsAbsent(hook))
            {
                foreach (var link in links.Values)
                {
                    link.Dispose();
                }

                return reason.Reason;
            }
        }

        foreach (var program in lost.Way!.Programs.Select(hook => hook.Program).Distinct())
        {
            if (_links.Remove(program, out var link))
            {
                link.Dispose();
            }
        }

        foreach (var (program, link) in links)
        {
            _links.Add(program, link);
        }

        _replacements.Add(programs);
        Plan = Plan with { Choices = [.. Plan.Choices.Select(choice => choice.Group.Name == lost.Group.Name ? next : choice)] };
        _outcomes =
        [
            .. Plan.Hooks.Where(hook => !IsAbsent(hook)).Select(hook => new HookOutcome(
                hook, _links.ContainsKey(hook.Program) ? null : _refused.GetValueOrDefault(hook.Program)?.Reason ?? "it cannot be attached")),
            .. Unobserved(),
        ];
        return null;
    }

    /// <summary>For the log: what observes what, and what is not to be had.</summary>
    public void TellAttached()
    {
        Log.Attached(_logger, string.Join(", ", _outcomes.Where(outcome => outcome.IsAttached)
            .GroupBy(outcome => outcome.Hook.Operation, outcome => outcome.Hook.Backend.Name())
            .Select(operation => $"{operation.Key} by {string.Join(" and ", operation.Distinct())}")));
        foreach (var choice in Plan.Choices.Where(choice => choice.Way is not null && choice.Refused.Count > 0))
        {
            Log.SecondBest(_logger, choice.Group.Name, choice.Way!.Backend.Name(), string.Join("; ", choice.Refused.Select(refused => refused.Reason.Reason).Distinct()));
        }

        foreach (var missing in _outcomes.Where(outcome => !outcome.IsAttached).DistinctBy(outcome => (outcome.Hook.Hook, outcome.Hook.Without)))
        {
            Log.HookMissing(_logger, missing.Hook.Hook, missing.Reason!, missing.Hook.Without);
        }
    }

    /// <summary>Brings what is pending of every socket into the totals; null where nothing is ever pending.</summary>
    public BpfIterator? AttachFlush() => AttachReading(Plan.Readings.Flush);

    /// <summary>Prints a record of every open flow; null where the kernel cannot.</summary>
    public BpfIterator? AttachReport() => AttachReading(Plan.Readings.Report);

    /// <summary>
    /// Takes over the listeners that are there. Before attaching, so that every accept after it knows its server; and once
    /// more with the connections, for those that came in between.
    /// </summary>
    public void AdoptListeners()
    {
        if (!RunOnce("sw_adopt_listeners"))
        {
            AdoptFromProc(connections: false);
        }
    }

    /// <summary>Takes over the connections that were there before the programs: their owners and roles, and that they are open.</summary>
    public void AdoptSockets()
    {
        AdoptListeners();
        if (RunOnce("sw_adopt_connections") || AdoptFromProc(connections: true))
        {
            _object.GlobalVariable<byte>("all_adopted").Value = 1;
        }
        else if ((_refused.GetValueOrDefault("sw_adopt_connections") ?? _refused.GetValueOrDefault(DescriptorProgram)) is { } refused)
        {
            Log.NotAdopted(_logger, refused.Reason);
        }
    }

    public void Dispose()
    {
        foreach (var link in _links.Values)
        {
            link.Dispose();
        }

        _replacements.ForEach(replacement => replacement.Dispose());
        _object.Dispose();
    }

    /// <summary>Conditions without which no message of the kernel's would be of help.</summary>
    internal static void Require(string? btf)
    {
        if (!BpfHost.BtfAvailable && btf is null)
        {
            throw new KernelException(
                "this kernel carries no type information (/sys/kernel/btf/vmlinux): it needs CONFIG_DEBUG_INFO_BTF=y, or --btf with a file that fits it. See 'sockwatch doctor'");
        }

        if (!File.Exists(ObjectPath))
        {
            throw new KernelException($"{ObjectPath} is missing: it belongs beside the executable; 'make build' puts it there");
        }
    }

    /// <summary>What can be done without, and has to be: the best way to observe it, with the reason against that.</summary>
    private IEnumerable<HookOutcome> Unobserved() => Plan.Choices.Where(choice => choice.Way is null)
        .SelectMany(choice => choice.Group.Ways[0].Programs.Select(hook => new HookOutcome(hook, choice.Refused[0].Reason.Reason)));

    private void SetPorts(string map, IEnumerable<int> wanted)
    {
        var ports = _object.Map<uint, ulong>(map);
        foreach (var word in wanted.GroupBy(port => port / 64))
        {
            ports.Update((uint)word.Key, word.Aggregate(0UL, (bits, port) => bits | (1UL << (port % 64))));
        }
    }

    private bool IsAbsent(HookProgram hook) => hook.IfPresent && _refused.ContainsKey(hook.Program);

    private BpfIterator? AttachReading(string program) =>
        _object.Program(program).Fd >= 0 ? _object.AttachIterator(program, Plan.Readings.Map) : null;

    /// <summary>A kernel without types of its own has no iterators; there a program watches the kernel print descriptors.</summary>
    /// <returns>Whether that has shown every process's sockets.</returns>
    private bool AdoptFromProc(bool connections)
    {
        if (_object.Program(DescriptorProgram).Fd < 0)
        {
            return false;
        }

        try
        {
            using var link = _object.Attach(DescriptorProgram);
            _object.GlobalVariable<byte>("adopting_connections").Value = (byte)(connections ? 1 : 0);
            var descriptors = new ProcDescriptors(s_paths);
            descriptors.PrintSockets();
            return descriptors.UnreadableProcesses == 0;
        }
        catch (BpfException failure)
        {
            if (connections)
            {
                Log.NotAdopted(_logger, failure.Message);
            }

            return false;
        }
    }

    /// <returns>False when the kernel did not take it.</returns>
    private bool RunOnce(string program)
    {
        if (_object.Program(program).Fd < 0)
        {
            return false;
        }

        using var iterator = _object.AttachIterator(program);
        iterator.Run();
        return true;
    }

    private Refusal? TryAttach(HookProgram hook) => TryAttach(hook, _object, _links);

    private Refusal? TryAttach(HookProgram hook, BpfObject programs, Dictionary<string, BpfLink> links)
    {
        try
        {
            links.Add(hook.Program, hook.Form switch
            {
                ProgramForm.Cgroup => programs.AttachCgroup(hook.Program, Cgroup2.FindMount()),
                ProgramForm.FunctionReturn => AttachReturn(programs, hook.Program),
                _ => programs.Attach(hook.Program),
            });
            return null;
        }
        catch (BpfException failure)
        {
            return PerfEvents.WhyNotAttached(failure, _host, hook);
        }
        catch (KernelException failure)
        {
            return new Refusal(failure.Message);
        }
    }

    private BpfLink AttachReturn(BpfObject programs, string program)
    {
        try
        {
            return programs.AttachReturn(program);
        }
        catch (BpfException failure)
        {
            // Without tracefs the kernel follows a few calls at a time; those that it does not are counted.
            var link = programs.Attach(program);
            Log.FewReturns(_logger, program, failure.Message);
            return link;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "Sockets that were there before are taken over when they are first used, not now: {Reason}")]
        public static partial void NotAdopted(ILogger logger, string reason);

        [LoggerMessage(LogLevel.Information, "Attached: {Hooks}")]
        public static partial void Attached(ILogger logger, string hooks);

        [LoggerMessage(LogLevel.Warning, "Not attached: {Hook} ({Reason}); {Without}")]
        public static partial void HookMissing(ILogger logger, string hook, string reason, string without);

        [LoggerMessage(LogLevel.Information, "{Group} by {Backend}: {Reason}")]
        public static partial void SecondBest(ILogger logger, string group, string backend, string reason);

        [LoggerMessage(LogLevel.Warning, "{Program} follows few calls at a time ({Reason}): those beyond are counted as call_return")]
        public static partial void FewReturns(ILogger logger, string program, string reason);
    }
}
