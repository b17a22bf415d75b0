using Sockwatch.Bpf;

namespace Sockwatch.Kernel;

/// <summary>Lists of addresses that the programs match peers with.</summary>
internal interface IKernelLists
{
    /// <summary>Entries that may be added while the agent runs.</summary>
    int MaxAdded { get; }

    /// <summary>Fills the maps of programs that are loaded and not yet attached, so that nothing is missed at the start.</summary>
    void Install(BpfObject maps);
}
