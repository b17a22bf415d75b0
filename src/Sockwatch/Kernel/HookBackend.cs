namespace Sockwatch.Kernel;

/// <summary>How a program gets to run.</summary>
internal enum HookBackend
{
    /// <summary>At a tracepoint of the kernel.</summary>
    Tracepoint,

    /// <summary>At the entry or exit of a function, by a BPF trampoline.</summary>
    Fentry,

    /// <summary>At the entry or exit of a function, by a breakpoint.</summary>
    Kprobe,

    /// <summary>In a call of a process in a cgroup; beside one of the others.</summary>
    Cgroup,
}

/// <summary>What --backend asks for.</summary>
internal enum BackendChoice
{
    /// <summary>The cheapest that misses nothing, operation by operation.</summary>
    Auto,
    Tracepoint,
    Fentry,
    Kprobe,
}

internal static class HookBackends
{
    /// <summary>The value of the <c>backend</c> label.</summary>
    public static string Name(this HookBackend backend) => backend switch
    {
        HookBackend.Tracepoint => "tracepoint",
        HookBackend.Fentry => "fentry",
        HookBackend.Kprobe => "kprobe",
        _ => "cgroup",
    };
}
