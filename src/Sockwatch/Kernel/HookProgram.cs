namespace Sockwatch.Kernel;

/// <summary>What kind of program it is to the kernel, which decides what it needs.</summary>
internal enum ProgramForm
{
    /// <summary><c>tp_btf</c>: is handed typed pointers, so the kernel has to carry its types.</summary>
    TypedTracepoint,

    /// <summary><c>tp</c>: is handed numbers. Attached through tracefs.</summary>
    Tracepoint,

    /// <summary><c>fentry</c>, <c>fexit</c>: typed as well.</summary>
    Trampoline,

    /// <summary><c>kprobe</c></summary>
    FunctionEntry,

    /// <summary><c>kretprobe</c></summary>
    FunctionReturn,

    Cgroup,
}

/// <summary>One program of sockwatch.bpf.o, and what the agent would not see without it.</summary>
/// <param name="Program">The program's name in the object.</param>
/// <param name="Operation">What it observes, as in <c>sockwatch_hook_info</c>.</param>
/// <param name="Hook">The tracepoint, function or cgroup hook it sits on.</param>
/// <param name="Since">The first kernel that has the hook in this form.</param>
/// <param name="IsRequired">Without it totals would be wrong; without the others something is missing, and said so.</param>
/// <param name="Without">What is missing when it cannot be attached.</param>
/// <param name="HashOnly">It has nothing to do where states are part of their sockets.</param>
/// <param name="IfPresent">Nothing is missing on a kernel that does not have the hook: others do its work there.</param>
internal sealed record HookProgram(
    string Program, string Operation, ProgramForm Form, string Hook, string Since, bool IsRequired, string Without, bool IfPresent = false,
    bool HashOnly = false)
{
    public HookBackend Backend => Form switch
    {
        ProgramForm.Trampoline => HookBackend.Fentry,
        ProgramForm.FunctionEntry or ProgramForm.FunctionReturn => HookBackend.Kprobe,
        ProgramForm.Cgroup => HookBackend.Cgroup,
        _ => HookBackend.Tracepoint,
    };

    public bool NeedsKernelTypes => Form is ProgramForm.TypedTracepoint or ProgramForm.Trampoline;

    /// <summary>The kernel gives such programs no storage in the socket: states have to be in a hash.</summary>
    public bool NeedsHash => Form is ProgramForm.Tracepoint or ProgramForm.FunctionEntry or ProgramForm.FunctionReturn;
}
