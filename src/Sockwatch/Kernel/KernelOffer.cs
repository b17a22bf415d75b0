using Sockwatch.Bpf;

namespace Sockwatch.Kernel;

/// <summary>What a kernel has to put programs on, as far as it says so itself.</summary>
internal interface IKernelOffer
{
    /// <summary>Why the kernel would not take the program; null when only a trial can tell.</summary>
    Refusal? WhyNot(HookProgram hook);

    /// <summary>The hook is there, as far as can be seen.</summary>
    bool Has(HookProgram hook);
}

/// <summary>That of the running kernel.</summary>
internal sealed class KernelOffer : IKernelOffer, IDisposable
{
    private static readonly string[] s_tracingRoots = ["kernel/tracing", "kernel/debug/tracing"];

    private readonly KernelBtf? _types;
    private readonly Refusal? _noCgroup;
    private readonly bool _forbidsKprobes;
    private readonly HostPaths _paths;
    private readonly Lazy<HashSet<string>?> _functions;

    /// <param name="host">Whether the kernel carries its types, and what it forbids.</param>
    public KernelOffer(HostFacts host, HostPaths paths)
    {
        _paths = paths;
        _noCgroup = Cgroup2.WhyNot(host.Cgroups);
        _forbidsKprobes = host.Lockdown == Lockdown.Confidentiality;
        _types = host.HasKernelTypes ? KernelBtf.Load() : null;
        _functions = new Lazy<HashSet<string>?>(ReadFunctions);
    }

    public Refusal? WhyNot(HookProgram hook)
    {
        if (hook.Form == ProgramForm.Cgroup)
        {
            return _noCgroup;
        }

        if (hook.NeedsKernelTypes && _types is null)
        {
            return Refusal.NoKernelTypes;
        }

        // Some programs load all the same, and cannot be attached.
        if (hook.Backend == HookBackend.Kprobe && _forbidsKprobes)
        {
            return Refusal.OfLockdown("kprobes");
        }

        if (hook.Backend == HookBackend.Kprobe && !BpfHost.HasKprobes)
        {
            return new Refusal("this kernel has no kprobes", "use a kernel built with CONFIG_KPROBES=y and CONFIG_KPROBE_EVENTS=y");
        }

        if (!Has(hook))
        {
            return hook.Backend == HookBackend.Tracepoint
                ? new Refusal($"this kernel has no tracepoint {hook.Hook.Split('/')[^1]}; it came with Linux {hook.Since}", $"use Linux {hook.Since} or newer")
                : new Refusal($"this kernel has no function {hook.Hook}");
        }

        return hook.Form == ProgramForm.Tracepoint && TracingRoot() is null
            ? new Refusal("tracefs is not mounted", "mount it: mount -t tracefs tracefs /sys/kernel/tracing")
            : HookSwitches.WhyOff(hook, _paths);
    }

    public bool Has(HookProgram hook) => hook.Form switch
    {
        ProgramForm.TypedTracepoint => _types is null || _types.HasTracepoint(hook.Hook),
        ProgramForm.Tracepoint when _types is not null => _types.HasTracepoint(hook.Hook.Split('/')[^1]),
        ProgramForm.Tracepoint => TracingRoot() is not { } root || Directory.Exists(Path.Combine(root, "events", hook.Hook)),
        ProgramForm.Trampoline => _types is null || _types.HasFunction(hook.Hook),
        ProgramForm.FunctionEntry or ProgramForm.FunctionReturn => _functions.Value?.Contains(hook.Hook) ?? true,
        _ => true,
    };

    public void Dispose() => _types?.Dispose();

    /// <summary>Only the names that matter, for there are a quarter of a million.</summary>
    private HashSet<string>? ReadFunctions()
    {
        var wanted = HookGroup.All.SelectMany(group => group.Ways).SelectMany(way => way.Programs)
            .Where(hook => hook.Backend == HookBackend.Kprobe).Select(hook => hook.Hook).ToHashSet();
        try
        {
            return [.. KernelSymbols.Read(_paths, wanted).Keys];
        }
        catch (IOException)
        {
            return null;
        }
    }

    private string? TracingRoot() => s_tracingRoots.Select(_paths.Sys).FirstOrDefault(root => Directory.Exists(Path.Combine(root, "events")));
}
