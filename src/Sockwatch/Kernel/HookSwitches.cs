using System.Runtime.InteropServices;

namespace Sockwatch.Kernel;

/// <summary>The machine's own switches, with which an administrator turns off whole kinds of hooks under whoever uses them.</summary>
internal static class HookSwitches
{
    private const string Functions = "sys/kernel/ftrace_enabled";
    private const string Kprobes = "kernel/debug/kprobes/enabled";

    /// <summary>Null while it is on, as far as can be seen.</summary>
    public static Refusal? WhyOff(HookProgram hook, HostPaths paths) => WhyOff(hook, paths, RuntimeInformation.OSArchitecture);

    internal static Refusal? WhyOff(HookProgram hook, HostPaths paths, Architecture architecture)
    {
        if (hook.Backend == HookBackend.Kprobe && HostPaths.ReadText(paths.Sys(Kprobes)) == "0")
        {
            return new Refusal("kprobes were switched off", $"echo 1 > /sys/{Kprobes}");
        }

        // On x86-64 kprobes at a function's entry, and so those at its return, are calls of function tracing as well.
        return (hook.Backend == HookBackend.Fentry || (hook.Backend == HookBackend.Kprobe && architecture == Architecture.X64))
            && HostPaths.ReadText(paths.Proc(Functions)) == "0"
                ? new Refusal("function tracing was switched off", "sysctl kernel.ftrace_enabled=1")
                : null;
    }
}
