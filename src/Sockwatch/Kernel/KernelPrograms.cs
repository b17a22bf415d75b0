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
/// sockwatch.bpf.o in the kernel. Creating the maps and loading the programs, preparing the maps, attaching, and taking over
/// the sockets that are there already are separate steps, in this order; disposing takes the programs off and frees it all.
/// </summary>
internal sealed partial class KernelPrograms : IDisposable
{
    private readonly BpfObject _object;
    private readonly ILogger _logger;
    private readonly List<BpfLink> _links = [];
    private readonly List<HookOutcome> _outcomes = [];
    private readonly Dictionary<string, string> _refused;

    private KernelPrograms(BpfObject loaded, Dictionary<string, string> refused, ILogger logger)
    {
        _object = loaded;
        _refused = refused;
        _logger = logger;
    }

    /// <summary>The object beside the executable, or in the directory that SOCKWATCH_BPF_DIR names.</summary>
    public static string ObjectPath => Path.Combine(
        Environment.GetEnvironmentVariable("SOCKWATCH_BPF_DIR") ?? Path.Combine(AppContext.BaseDirectory, "bpf"), "sockwatch.bpf.o");

    public BpfObject Object => _object;

    /// <summary>One for each entry of <see cref="HookProgram.All"/>, once attached.</summary>
    public IReadOnlyList<HookOutcome> Outcomes => _outcomes;

    /// <summary>Creates the maps and loads the programs; nothing is observed yet.</summary>
    /// <param name="traceUdpPeers">A record whenever a UDP socket's peer is not its last one, for a live trace.</param>
    /// <exception cref="KernelException">A program that totals depend on is refused; the message has the reason.</exception>
    public static KernelPrograms Load(
        KernelOptions options, FilterOptions filters, bool flowRecords, bool traceUdpPeers, ILogger logger)
    {
        Require();
        BpfLog.Sink = (level, message) => LogLibBpf(logger, level, message);

        var refused = MissingTracepoints();
        ThrowIfRequired(refused);
        try
        {
            return new KernelPrograms(TryLoad(), refused, logger);
        }
        catch (BpfException failure)
        {
            // All or nothing: find out which one it was, and go on without it if totals do not depend on it.
            foreach (var probe in HookProbe.LoadEach(refused))
            {
                refused.TryAdd(probe.Key, probe.Value);
            }

            ThrowIfRequired(refused);
            if (refused.Count == 0)
            {
                throw new KernelException($"the kernel refuses the programs: {HookProbe.Explain(failure)}", failure);
            }
        }

        try
        {
            return new KernelPrograms(TryLoad(), refused, logger);
        }
        catch (BpfException failure)
        {
            throw new KernelException($"the kernel refuses the programs: {HookProbe.Explain(failure)}", failure);
        }

        BpfObject TryLoad()
        {
            var programs = BpfObject.Open(ObjectPath);
            try
            {
                Configure(programs, options, filters, flowRecords, traceUdpPeers);
                foreach (var program in refused.Keys)
                {
                    programs.SetAutoload(program, false);
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
    }

    /// <summary>Fills what the programs expect to find. Maps that another agent left behind keep their content.</summary>
    public void PrepareMaps(FilterOptions filters)
    {
        _object.Map<EdgeKey, EdgeTotals>("edges").TryAdd(EdgeKey.Overflow, default);
        _object.Map<EdgeKey, EdgeTimings>("edge_timings").TryAdd(EdgeKey.Overflow, default);

        var ports = _object.Map<uint, ulong>("excluded_ports");
        foreach (var word in filters.ExcludePorts.GroupBy(port => port / 64))
        {
            ports.Update((uint)word.Key, word.Aggregate(0UL, (bits, port) => bits | (1UL << (port % 64))));
        }

        var networks = _object.Map<NetworkPrefix, byte>("excluded_networks");
        foreach (var network in filters.ExcludeNetworks)
        {
            networks.Update(NetworkPrefix.Of(IPNetwork.Parse(network)), 1);
        }
    }

    /// <exception cref="KernelException">A program that totals depend on cannot be attached.</exception>
    public void Attach()
    {
        // Those that see a socket's end come first: a connection whose end nobody sees would stay open for ever.
        var reasons = new Dictionary<string, string?>();
        foreach (var hook in HookProgram.All.OrderBy(hook => hook.Operation == "release" ? 0 : 1))
        {
            if (!reasons.ContainsKey(hook.Program))
            {
                reasons.Add(hook.Program, _refused.GetValueOrDefault(hook.Program) ?? TryAttach(hook));
            }
        }

        _outcomes.AddRange(HookProgram.All.Select(hook => new HookOutcome(hook, reasons[hook.Program])));
        if (_outcomes.FirstOrDefault(outcome => outcome.Hook.IsRequired && !outcome.IsAttached) is { } blind)
        {
            throw new KernelException($"cannot attach {blind.Hook.Hook} ({blind.Reason}): {blind.Hook.Without}. See 'sockwatch doctor'");
        }

        foreach (var missing in _outcomes.Where(outcome => !outcome.IsAttached).DistinctBy(outcome => outcome.Hook.Program))
        {
            Log.HookMissing(_logger, missing.Hook.Hook, missing.Reason!, missing.Hook.Without);
        }

        Log.Attached(_logger, string.Join(", ", _outcomes.Where(outcome => outcome.IsAttached)
            .GroupBy(outcome => outcome.Hook.Operation, outcome => outcome.Hook.Backend.Name())
            .Select(operation => $"{operation.Key} by {string.Join(" and ", operation.Distinct())}")));
    }

    /// <summary>
    /// Takes over the listeners that are there. Before attaching, so that every accept after it knows its server; and once
    /// more with the connections, for those that came in between.
    /// </summary>
    public void AdoptListeners() => RunOnce("sw_adopt_listeners");

    /// <summary>Takes over the connections that were there before the programs: their owners and roles, and that they are open.</summary>
    public void AdoptSockets()
    {
        AdoptListeners();
        RunOnce("sw_adopt_connections");
    }

    public void Dispose()
    {
        _links.ForEach(link => link.Dispose());
        _object.Dispose();
    }

    /// <summary>Conditions without which no message of the kernel's would be of help.</summary>
    internal static void Require()
    {
        if (!BpfHost.BtfAvailable)
        {
            throw new KernelException(
                "this kernel carries no type information (/sys/kernel/btf/vmlinux): it needs CONFIG_DEBUG_INFO_BTF=y. See 'sockwatch doctor'");
        }

        if (!File.Exists(ObjectPath))
        {
            throw new KernelException($"{ObjectPath} is missing: it belongs beside the executable; 'make build' puts it there");
        }
    }

    internal static Dictionary<string, string> MissingTracepoints()
    {
        using var types = KernelBtf.Load();
        return HookProgram.All
            .Where(hook => hook.Backend == HookBackend.Tracepoint && !types.HasTracepoint(hook.Hook))
            .DistinctBy(hook => hook.Program)
            .ToDictionary(hook => hook.Program, hook => $"this kernel has no tracepoint {hook.Hook}; it came with Linux {hook.Since}");
    }

    private static void ThrowIfRequired(Dictionary<string, string> refused)
    {
        if (HookProgram.All.FirstOrDefault(hook => hook.IsRequired && refused.ContainsKey(hook.Program)) is { } blind)
        {
            throw new KernelException($"{refused[blind.Program]}: {blind.Without}. See 'sockwatch doctor'");
        }
    }

    private static void Configure(
        BpfObject programs, KernelOptions options, FilterOptions filters, bool flowRecords, bool traceUdpPeers)
    {
        programs.SetMaxEntries("edges", (uint)options.MaxEdges);
        programs.SetMaxEntries("edge_timings", (uint)options.MaxEdges);
        programs.SetMaxEntries("edge_failures", (uint)Math.Max(options.MaxEdges / 4, 4));
        programs.SetMaxEntries("udp_flows", (uint)options.MaxUdpFlows);
        programs.SetMaxEntries("released_udp_sockets", (uint)options.MaxUdpFlows);
        programs.SetMaxEntries("processes", (uint)options.MaxProcesses);
        programs.SetMaxEntries("executable_paths", (uint)options.MaxExecutables);
        programs.SetMaxEntries("cgroup_paths", (uint)options.MaxCgroups);
        programs.SetMaxEntries("flow_records", (uint)options.RingBytes);
        programs.SetConstant("flush_jiffies", (ulong)TickRate.Read());
        programs.SetConstant("emit_flow_records", (byte)(flowRecords ? 1 : 0));
        programs.SetConstant("trace_udp_peers", (byte)(traceUdpPeers ? 1 : 0));
        programs.SetConstant("ignore_loopback", (byte)(filters.IgnoreLoopback ? 1 : 0));
        programs.SetConstant("ignore_ipv6", (byte)(filters.IgnoreIpv6 ? 1 : 0));
        programs.SetConstant("have_excluded_ports", (byte)(filters.ExcludePorts.Count > 0 ? 1 : 0));
        programs.SetConstant("have_excluded_networks", (byte)(filters.ExcludeNetworks.Count > 0 ? 1 : 0));
    }

    private void RunOnce(string program)
    {
        using var iterator = _object.AttachIterator(program);
        iterator.Run();
    }

    private string? TryAttach(HookProgram hook)
    {
        try
        {
            _links.Add(hook.Backend == HookBackend.Cgroup
                ? _object.AttachCgroup(hook.Program, Cgroup2.FindMount())
                : _object.Attach(hook.Program));
            return null;
        }
        catch (Exception failure) when (failure is BpfException or KernelException)
        {
            return failure.Message;
        }
    }

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
        [LoggerMessage(LogLevel.Information, "Attached: {Hooks}")]
        public static partial void Attached(ILogger logger, string hooks);

        [LoggerMessage(LogLevel.Warning, "Not attached: {Hook} ({Reason}); {Without}")]
        public static partial void HookMissing(ILogger logger, string hook, string reason, string without);

        [LoggerMessage(LogLevel.Debug, "libbpf: {Message}")]
        public static partial void LibBpf(ILogger logger, string message);
    }
}
