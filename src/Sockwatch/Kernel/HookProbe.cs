using Sockwatch.Bpf;

namespace Sockwatch.Kernel;

/// <summary>Finds out what this kernel accepts by loading each program by itself: no version number tells as much.</summary>
internal static class HookProbe
{
    /// <summary>The programs that are refused, each with the reason.</summary>
    /// <param name="known">Programs that need no trial.</param>
    public static Dictionary<string, string> LoadEach(IReadOnlyDictionary<string, string> known)
    {
        var refused = new Dictionary<string, string>(known);
        foreach (var program in HookProgram.All.Select(hook => hook.Program).Distinct().Where(program => !known.ContainsKey(program)))
        {
            using var trial = BpfObject.Open(KernelPrograms.ObjectPath);
            foreach (var other in trial.Programs)
            {
                trial.SetAutoload(other.Name, other.Name == program);
            }

            try
            {
                trial.Load();
            }
            catch (BpfException failure)
            {
                refused.Add(program, Explain(failure));
            }
        }

        return refused;
    }

    /// <summary>One line: what the errno means here, or else the last thing the verifier said.</summary>
    public static string Explain(BpfException failure) => failure.Errno switch
    {
        1 => "not permitted: run as root, or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN; an unprivileged container cannot",
        12 => "not enough memory for the maps: lower kernel.maxEdges and the other limits, or raise the memory limit",
        _ => LastWords(failure) ?? failure.Message,
    };

    private static string? LastWords(BpfException failure)
    {
        // The verifier ends with its statistics; the line above them is its reason.
        var lines = failure.Log.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        var statistics = Array.FindLastIndex(lines, line => line.StartsWith("processed ", StringComparison.Ordinal));
        return statistics > 0 ? $"{lines[statistics - 1]} ({failure.Message})" : null;
    }
}
