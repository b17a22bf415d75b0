using Sockwatch.Bpf;
using Sockwatch.Kernel;

namespace Sockwatch.Reader;

/// <summary>Who descends from whom.</summary>
internal interface IProcessLineage
{
    /// <summary>Whether one of <paramref name="ancestors"/> is among a process's; as far back as the kernel side remembers.</summary>
    bool DescendsFrom(uint pid, ulong startedAtNs, uint parentPid, IReadOnlyList<uint> ancestors);
}

/// <summary>The kernel side notes a process's ancestors when it first uses a socket, so that they are known when all of them are gone.</summary>
internal sealed class ProcessLineage(KernelPrograms programs) : IProcessLineage
{
    private readonly BpfMap<uint, ProcessAncestors> _ancestors = programs.Object.Map<uint, ProcessAncestors>("process_ancestors");

    public bool DescendsFrom(uint pid, ulong startedAtNs, uint parentPid, IReadOnlyList<uint> ancestors)
    {
        if (ancestors.Contains(parentPid))
        {
            return true;
        }

        using var steadily = programs.Steadily.Begin();

        // The number may be another process's by now.
        if (!_ancestors.TryLookup(pid, out var known) || known.StartedAtNs != startedAtNs)
        {
            return false;
        }

        foreach (var ancestor in known.Pids)
        {
            if (ancestor != 0 && ancestors.Contains(ancestor))
            {
                return true;
            }
        }

        return false;
    }
}
